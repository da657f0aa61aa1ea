import { Redis, type RedisOptions } from 'ioredis';
import { describe } from '../../../core/shared/describe.js';
import { OptionsError } from '../../../core/shared/errors.js';
import { addressOf, clusterAddressOf, maskUrl, serverOf } from './address.js';
import type { ClusterClient, ExistingClient, KnownOptions, RedisClient } from './client-types.js';

/** The servers to connect to, as template clients. A template is never connected; only its duplicates are. */
export type Target = SingleTarget | ClusterTarget;

interface CommonTarget {
  /** The address, for messages, without password. */
  readonly where: string;
  /** The prefix of all keys. Channels do not have it. */
  readonly keyPrefix: string;
  /** The user on the server, for messages about rights. */
  readonly username: string | undefined;
}

export interface SingleTarget extends CommonTarget {
  readonly kind: 'single';
  /** Equal for two targets with the same server, as far as their addresses show. */
  readonly server: string;
  readonly template: RedisClient;
}

export interface ClusterTarget extends CommonTarget {
  readonly kind: 'cluster';
  readonly template: ClusterClient;
  readonly nodeOptions: object;
}

const EXPECTED =
  "ioredis(...) takes a URL such as 'redis://localhost:6379' (rediss:// for TLS), the options of an ioredis client, " +
  'or a Redis or Cluster client of ioredis 5 or 6';

/** @throws OptionsError */
export function resolveTarget(target: string | RedisOptions | ExistingClient): Target {
  if (typeof target === 'string') return single(createTemplate(target));
  if (typeof target !== 'object' || target === null || Array.isArray(target)) {
    throw new OptionsError(`${EXPECTED}, and ${describe(target)} was given.`);
  }
  if (!isClient(target)) return single(createTemplate(target));
  return target.isCluster
    ? cluster(target as unknown as ClusterClient)
    : single(target as unknown as RedisClient);
}

function single(template: RedisClient): SingleTarget {
  const options = template.options as KnownOptions;
  return {
    kind: 'single',
    template,
    server: serverOf(options),
    where: addressOf(options),
    keyPrefix: prefixOf(options),
    username: options.username || undefined,
  };
}

function cluster(template: ClusterClient): ClusterTarget {
  const options = template.options as KnownOptions;
  const nodeOptions = options.redisOptions ?? {};
  const startupNodes: unknown = Reflect.get(template, 'startupNodes');
  return {
    kind: 'cluster',
    template,
    nodeOptions,
    where: clusterAddressOf(Array.isArray(startupNodes) ? startupNodes : [], nodeOptions),
    keyPrefix: prefixOf(options),
    username: nodeOptions.username || undefined,
  };
}

function createTemplate(target: string | RedisOptions): RedisClient {
  const shown = typeof target === 'string' ? `'${maskUrl(target)}'` : 'an object';
  const scheme = typeof target === 'string' ? /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1] : undefined;
  if (target === '' || (scheme !== undefined && !/^rediss?$/i.test(scheme))) {
    throw new OptionsError(`${EXPECTED}, and ${shown} was given.`);
  }
  try {
    const client =
      typeof target === 'string'
        ? new Redis(target, { lazyConnect: true })
        : new Redis({ ...target, lazyConnect: true, protocol: 2, replyMapping: 'legacy' });
    // A query string of the URL may override `lazyConnect`. The template stays unconnected.
    client.disconnect();
    return client as unknown as RedisClient;
  } catch (error) {
    const reason = error instanceof Error ? maskUrl(error.message) : String(error);
    throw new OptionsError(`${EXPECTED}, and ioredis rejected ${shown}: ${reason}`);
  }
}

function isClient(target: RedisOptions | ExistingClient): target is ExistingClient {
  return 'duplicate' in target && typeof target.duplicate === 'function';
}

function prefixOf({ keyPrefix }: KnownOptions): string {
  if (typeof keyPrefix === 'string') return keyPrefix;
  if (keyPrefix === null || keyPrefix === undefined) return '';
  throw new OptionsError(
    `keyPrefix of the client of ioredis(...) is a string, and ${describe(keyPrefix)} was given.`,
  );
}
