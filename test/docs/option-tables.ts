import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expressRateLimitStoreOptions } from '../../src/adapters/express-rate-limit/store-options.js';
import { expressSessionStoreOptions } from '../../src/adapters/express-session/store-options.js';
import { fastifySessionStoreOptions } from '../../src/adapters/fastify-session/store-options.js';
import { fastifyRateLimitStoreOptions } from '../../src/adapters/fastify-rate-limit/store-options.js';
import { clientIpOptions } from '../../src/adapters/http/client-ip.js';
import { errorResponseOptions } from '../../src/adapters/http/error-response.js';
import { invalidationRouteOptions } from '../../src/adapters/http/invalidation-route.js';
import { ipKeyOptions } from '../../src/adapters/http/ip-key.js';
import { rateLimitHeadersOptions } from '../../src/adapters/http/rate-limit-headers.js';
import { responseCacheOptions } from '../../src/adapters/http/response-cache-options.js';
import { addOptions } from '../../src/adapters/bullmq/add-options.js';
import { enqueuesOptions } from '../../src/adapters/bullmq/enqueues.js';
import { deduplicationRules, jobOptions } from '../../src/adapters/bullmq/job-options.js';
import { jobsOptions } from '../../src/adapters/bullmq/jobs-options.js';
import { defineQueueOptions } from '../../src/adapters/bullmq/queue.js';
import { repeatOptions, scheduleOptions } from '../../src/adapters/bullmq/schedule-options.js';
import { processesOptions } from '../../src/adapters/bullmq/worker-options.js';
import { ioredisOptions } from '../../src/adapters/ioredis/ioredis-options.js';
import { memoryOptions } from '../../src/adapters/memory/memory-options.js';
import { invalidateOnNotifyOptions } from '../../src/adapters/postgres/notify-options.js';
import { asyncCachingModuleOptions } from '../../src/adapters/nestjs/caching-module.js';
import { healthOptions } from '../../src/adapters/nestjs/health-indicator.js';
import { cachingModuleOptions } from '../../src/adapters/nestjs/module-options.js';
import { throttlerStorageOptions } from '../../src/adapters/nestjs/throttler-storage.js';
import {
  getOrSetManyOptions,
  getOrSetOptions,
  invalidateAroundOptions,
  invalidateOptions,
  invalidationTarget,
  putOptions,
  setOptions,
} from '../../src/core/cache/cache.js';
import { waitReplicasOptions } from '../../src/core/cache/wait-replicas.js';
import { transactionOptions } from '../../src/core/cache/deferred-invalidations.js';
import {
  createOptions,
  getOptions,
  revokeAllOptions,
  rotateOptions,
  sessionsOptions,
} from '../../src/core/sessions/session-options.js';
import { cachingOptions, verbsOptions } from '../../src/core/caching.js';
import { l1Options } from '../../src/core/l1/l1-options.js';
import { channelOptions, patternOptions } from '../../src/core/messages/channel.js';
import { subscribeOptions } from '../../src/core/messages/subscription-options.js';
import { consumeOptions, limitOptions, runOptions } from '../../src/core/limits/limit-options.js';
import { concurrencyRule, windowRule } from '../../src/core/limits/rules.js';
import { acquireOptions, lockOptions, lockTimes } from '../../src/core/locks/lock-options.js';
import { sealOptions } from '../../src/core/seal/seal-options.js';
import type { OptionSchema } from '../../src/core/shared/option-schema.js';
import { cacheOptions } from '../../src/core/cache/cache-options.js';
import { readOptions } from '../../src/core/cache/value-options.js';
import { typeCodecOptions } from '../../src/core/values/type-codec.js';
import { cachePutOptions } from '../../src/decorators/cache-put.js';
import { cachedOptions } from '../../src/decorators/cached.js';
import { cachedManyOptions } from '../../src/decorators/cached-many.js';
import { cachingDefaultsOptions } from '../../src/decorators/caching-defaults.js';
import { invalidatesOptions } from '../../src/decorators/invalidates.js';
import { lockedOptions } from '../../src/decorators/locked.js';
import { publishesOptions } from '../../src/decorators/publishes.js';
import { rateLimitedOptions } from '../../src/decorators/rate-limited.js';
import { subscribesOptions } from '../../src/decorators/subscribes.js';
import { chaosOptions } from '../../src/testing/chaos-adapter.js';
import { contractOptions } from '../../src/testing/contract/contract-test.js';
import { raceOptions } from '../../src/testing/race-test.js';
import { projectFolder } from '../support/project-folder.js';

interface Group {
  readonly schema: OptionSchema;
  /** The interfaces that document its options, by source file. */
  readonly documented: readonly (readonly [file: string, ...interfaces: string[]])[];
  /** A group whose table has these options already. */
  readonly extends?: string;
}

const LIMITS = 'src/core/limits/limit-options.ts';
const LOCKS = 'src/core/locks/lock-options.ts';

const SESSIONS = 'src/core/sessions/session-options.ts';
const SESSION_STORE = ['src/adapters/session-store/store-options.ts', 'SessionStoreOptions'] as const;
const CHANNEL = 'src/core/messages/channel.ts';
const SUBSCRIPTION = 'src/core/messages/subscription-options.ts';

const VALUES = ['src/core/cache/value-options.ts', 'ValueOptions'] as const;

/** Every set of options that there is, by the heading of its table in docs/options.md. */
export const GROUPS: Readonly<Record<string, Group>> = {
  'new Caching': { schema: cachingOptions, documented: [['src/core/caching.ts', 'CachingOptions']] },
  verbs: { schema: verbsOptions, documented: [['src/core/caching.ts', 'VerbsOptions']] },
  defaults: { schema: cacheOptions, documented: [['src/core/cache/cache-options.ts', 'CacheOptions']] },
  l1: { schema: l1Options, documented: [['src/core/l1/l1-options.ts', 'L1Options']] },
  defineCodec: { schema: typeCodecOptions, documented: [['src/core/values/type-codec.ts', 'TypeCodec']] },
  seal: { schema: sealOptions, documented: [['src/core/seal/seal-options.ts', 'SealOptions']] },
  '@Cached': {
    schema: cachedOptions,
    documented: [['src/decorators/cached.ts', 'CachedOptions'], VALUES],
    extends: 'defaults',
  },
  '@CachedMany': {
    schema: cachedManyOptions,
    documented: [['src/decorators/cached-many.ts', 'CachedManyFields'], VALUES],
    extends: 'defaults',
  },
  '@CachingDefaults': {
    schema: cachingDefaultsOptions,
    documented: [['src/decorators/caching-defaults.ts', 'CachingDefaultsOptions']],
    extends: 'defaults',
  },
  '@CachePut': {
    schema: cachePutOptions,
    documented: [['src/decorators/cache-put.ts', 'CachePutOptions'], VALUES],
    extends: 'defaults',
  },
  getOrSet: {
    schema: getOrSetOptions,
    documented: [['src/core/cache/cache.ts', 'GetOrSetOptions'], VALUES],
    extends: 'defaults',
  },
  put: {
    schema: putOptions,
    documented: [['src/core/cache/cache.ts', 'PutOptions'], VALUES],
    extends: 'defaults',
  },
  getOrSetMany: {
    schema: getOrSetManyOptions,
    documented: [['src/core/cache/cache.ts', 'GetOrSetManyOptions'], VALUES],
    extends: 'defaults',
  },
  set: {
    schema: setOptions,
    documented: [['src/core/cache/cache.ts', 'SetOptions'], VALUES],
    extends: 'defaults',
  },
  'get, peek, has and getMany': {
    schema: readOptions,
    documented: [VALUES, ['src/core/cache/value-options.ts', 'ReadOptions']],
  },
  '@Invalidates': {
    schema: invalidatesOptions,
    documented: [['src/decorators/invalidates.ts', 'InvalidatesOptions']],
  },
  'invalidate: target': {
    schema: invalidationTarget,
    documented: [['src/core/cache/cache.ts', 'InvalidationTargetOptions']],
  },
  'invalidate: options': {
    schema: invalidateOptions,
    documented: [['src/core/cache/cache.ts', 'InvalidateOptions']],
  },
  invalidateAround: {
    schema: invalidateAroundOptions,
    documented: [['src/core/cache/cache.ts', 'InvalidateAroundOptions']],
  },
  'invalidate: waitReplicas': {
    schema: waitReplicasOptions,
    documented: [['src/core/cache/wait-replicas.ts', 'WaitReplicasOptions']],
  },
  'transaction and deferInvalidations': {
    schema: transactionOptions,
    documented: [['src/core/cache/deferred-invalidations.ts', 'TransactionOptions']],
  },
  limits: { schema: limitOptions, documented: [[LIMITS, 'LimitOptions']] },
  '@RateLimited': {
    schema: rateLimitedOptions,
    documented: [
      [
        'src/decorators/rate-limited-options.ts',
        'CallOptions',
        'InlineRule',
        'SeveralRules',
        'Throwing',
        'Waiting',
      ],
      ['src/core/limits/rules.ts', 'WindowRule', 'ConcurrencyRule'],
    ],
    extends: 'limits',
  },
  consume: { schema: consumeOptions, documented: [[LIMITS, 'ConsumeOptions']], extends: 'limits' },
  run: { schema: runOptions, documented: [[LIMITS, 'RunOptions']], extends: 'consume' },
  'a rule with a window': { schema: windowRule, documented: [['src/core/limits/rules.ts', 'WindowRule']] },
  'a concurrency rule': {
    schema: concurrencyRule,
    documented: [['src/core/limits/rules.ts', 'ConcurrencyRule', 'WindowRule']],
  },
  locks: { schema: lockTimes, documented: [[LOCKS, 'LockTimes']] },
  '@Locked': {
    schema: lockedOptions,
    documented: [['src/decorators/locked-options.ts', 'LockedCallOptions', 'OneKey', 'SeveralKeys']],
    extends: 'withLease',
  },
  acquire: { schema: acquireOptions, documented: [[LOCKS, 'AcquireOptions']], extends: 'locks' },
  withLease: { schema: lockOptions, documented: [[LOCKS, 'LockOptions']], extends: 'acquire' },
  definePattern: { schema: patternOptions, documented: [[CHANNEL, 'PatternOptions']] },
  defineChannel: {
    schema: channelOptions,
    documented: [[CHANNEL, 'ChannelOptions']],
    extends: 'definePattern',
  },
  '@Publishes': {
    schema: publishesOptions,
    documented: [['src/decorators/publishes.ts', 'PublishesFields', 'PublishesOptions']],
  },
  subscribe: { schema: subscribeOptions, documented: [[SUBSCRIPTION, 'SubscribeOptions']] },
  '@Subscribes': {
    schema: subscribesOptions,
    documented: [['src/decorators/subscribes.ts', 'SubscribesOptions']],
    extends: 'subscribe',
  },
  defineQueue: {
    schema: defineQueueOptions,
    documented: [['src/adapters/bullmq/queue.ts', 'DefineQueueOptions']],
  },
  'options of a job': {
    schema: jobOptions,
    documented: [['src/adapters/bullmq/job-options.ts', 'JobOptions']],
  },
  'deduplication of a job': {
    schema: deduplicationRules,
    documented: [['src/adapters/bullmq/job-options.ts', 'DeduplicationRules']],
  },
  '@Enqueues': {
    schema: enqueuesOptions,
    documented: [['src/adapters/bullmq/enqueues.ts', 'EnqueuesOptions']],
    extends: 'options of a job',
  },
  '@Processes': {
    schema: processesOptions,
    documented: [['src/adapters/bullmq/worker-options.ts', 'ProcessesOptions']],
  },
  jobs: { schema: jobsOptions, documented: [['src/adapters/bullmq/jobs-options.ts', 'JobsOptions']] },
  'jobs: add': {
    schema: addOptions,
    documented: [['src/adapters/bullmq/add-options.ts', 'AddOptions']],
    extends: 'options of a job',
  },
  'jobs: times of schedule': {
    schema: repeatOptions,
    documented: [['src/adapters/bullmq/schedule-options.ts', 'RepeatTimes']],
  },
  'jobs: options of schedule': {
    schema: scheduleOptions,
    documented: [['src/adapters/bullmq/schedule-options.ts', 'ScheduleOptions']],
    extends: 'options of a job',
  },
  memory: { schema: memoryOptions, documented: [['src/adapters/memory/memory-options.ts', 'MemoryOptions']] },
  ioredis: {
    schema: ioredisOptions,
    documented: [['src/adapters/ioredis/ioredis-options.ts', 'IoredisOptions']],
  },
  clientIp: { schema: clientIpOptions, documented: [['src/adapters/http/client-ip.ts', 'ClientIpOptions']] },
  invalidateOnNotify: {
    schema: invalidateOnNotifyOptions,
    documented: [['src/adapters/postgres/notify-options.ts', 'InvalidateOnNotifyOptions']],
  },
  invalidationRoute: {
    schema: invalidationRouteOptions,
    documented: [['src/adapters/http/invalidation-route.ts', 'InvalidationRouteOptions']],
  },
  ipKey: { schema: ipKeyOptions, documented: [['src/adapters/http/ip-key.ts', 'IpKeyOptions']] },
  rateLimitHeaders: {
    schema: rateLimitHeadersOptions,
    documented: [['src/adapters/http/rate-limit-headers.ts', 'RateLimitHeadersOptions']],
  },
  errorResponse: {
    schema: errorResponseOptions,
    documented: [['src/adapters/http/error-response.ts', 'ErrorResponseOptions']],
    extends: 'rateLimitHeaders',
  },
  cacheResponse: {
    schema: responseCacheOptions,
    documented: [['src/adapters/http/response-cache-options.ts', 'ResponseCacheOptions']],
    extends: 'defaults',
  },
  expressRateLimitStore: {
    schema: expressRateLimitStoreOptions,
    documented: [['src/adapters/express-rate-limit/store-options.ts', 'ExpressRateLimitStoreOptions']],
  },
  fastifyRateLimitStore: {
    schema: fastifyRateLimitStoreOptions,
    documented: [['src/adapters/fastify-rate-limit/store-options.ts', 'FastifyRateLimitStoreOptions']],
  },
  'new Sessions': { schema: sessionsOptions, documented: [[SESSIONS, 'SessionsOptions', 'SessionTimes']] },
  'sessions: create': { schema: createOptions, documented: [[SESSIONS, 'CreateSessionOptions']] },
  'sessions: get': { schema: getOptions, documented: [[SESSIONS, 'GetSessionOptions']] },
  'sessions: rotate': { schema: rotateOptions, documented: [[SESSIONS, 'RotateSessionOptions']] },
  'sessions: revokeAll': { schema: revokeAllOptions, documented: [[SESSIONS, 'RevokeAllOptions']] },
  expressSessionStore: {
    schema: expressSessionStoreOptions,
    documented: [
      ['src/adapters/express-session/store-options.ts', 'ExpressSessionStoreOptions'],
      SESSION_STORE,
      [SESSIONS, 'SessionTimes'],
    ],
  },
  fastifySessionStore: {
    schema: fastifySessionStoreOptions,
    documented: [
      ['src/adapters/fastify-session/store-options.ts', 'FastifySessionStoreOptions'],
      SESSION_STORE,
      [SESSIONS, 'SessionTimes'],
    ],
  },
  'CachingModule.forRoot': {
    schema: cachingModuleOptions,
    documented: [['src/adapters/nestjs/module-options.ts', 'RootOptions', 'ExistingCachingOptions']],
    extends: 'new Caching',
  },
  'CachingModule.forRootAsync': {
    schema: asyncCachingModuleOptions,
    documented: [
      ['src/adapters/nestjs/module-options.ts', 'RootOptions'],
      ['src/adapters/nestjs/caching-module.ts', 'AsyncCachingModuleOptions'],
    ],
  },
  isHealthy: {
    schema: healthOptions,
    documented: [['src/adapters/nestjs/health-indicator.ts', 'HealthOptions']],
  },
  cachingThrottlerStorage: {
    schema: throttlerStorageOptions,
    documented: [['src/adapters/nestjs/throttler-storage.ts', 'ThrottlerStorageOptions']],
  },
  chaosAdapter: {
    schema: chaosOptions,
    documented: [['src/testing/chaos-adapter.ts', 'ChaosOptions']],
  },
  raceTest: { schema: raceOptions, documented: [['src/testing/race-test.ts', 'RaceOptions']] },
  adapterContract: {
    schema: contractOptions,
    documented: [['src/testing/contract/contract-test.ts', 'ContractOptions']],
  },
};

interface Documented {
  readonly text: string;
  /** What follows `@default`; undefined: nothing does. */
  readonly default: string | undefined;
}

/** The doc comment of each option of a group, as users see it in their editor. */
export function documentedOptions(group: Group): ReadonlyMap<string, Documented> {
  const found = new Map<string, Documented>();
  for (const [file, ...interfaces] of group.documented) {
    const source = readFileSync(path.join(projectFolder, file), 'utf8');
    for (const name of interfaces) {
      const body = new RegExp(`interface ${name}\\b[^]*?\\n\\}`).exec(source)?.[0];
      if (body === undefined) throw new Error(`Expected an interface ${name} in ${file}.`);
      for (const [, comment = '', option = ''] of body.matchAll(
        /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*readonly (\w+)\??:/g,
      )) {
        if (!found.has(option)) found.set(option, parseComment(comment));
      }
    }
  }
  return found;
}

/** The default of an option as it is written. */
export function defaultText(value: unknown): string {
  return value === undefined ? '' : typeof value === 'string' ? `'${value}'` : String(value);
}

/** The page says once what a duration looks like. */
const DURATION_EXAMPLES = / such as '15m', '1h30m', '90 s' or 250 \(milliseconds\)/;

/** The tables of docs/options.md, by heading. */
export function optionTable(heading: string): string {
  const group = GROUPS[heading]!;
  const inherited = group.extends === undefined ? {} : GROUPS[group.extends]!.schema;
  const documented = documentedOptions(group);
  const rows = Object.entries(group.schema)
    .filter(([name]) => !(name in inherited) || documented.has(name))
    .map(([name, { accepts, default: fallback }]) => {
      const doc = documented.get(name);
      if (doc === undefined) throw new Error(`Expected a doc comment of ${name}, in ${heading}.`);
      const shown = defaultText(fallback) === '' ? (doc.default ?? '') : `\`${defaultText(fallback)}\``;
      const is = accepts.replace(DURATION_EXAMPLES, '');
      return `| \`${name}\` | ${is} | ${shown} | ${doc.text} |`;
    });
  const more =
    group.extends === undefined ? [] : ['', `And those of [${group.extends}](#${anchor(group.extends)}).`];
  return ['| option | is | default | what it does |', '| --- | --- | --- | --- |', ...rows, ...more].join(
    '\n',
  );
}

/** As GitHub makes them of headings. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

function parseComment(comment: string): Documented {
  const text = comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join(' ')
    .trim();
  const [what = '', fallback] = text.split('@default');
  return { text: what.trim(), default: fallback?.trim() };
}
