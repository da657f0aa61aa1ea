import { Redis, type RedisOptions } from 'ioredis';
import { describe } from '../../../core/shared/describe.js';
import { OptionsError } from '../../../core/shared/errors.js';
import { addressOf, clusterAddressOf, maskUrl, serverOf } from './address.js';
import type { ClusterClient, ExistingClient, KnownOptions, RedisClient } from './client-types.js';

/** What to connect to, as clients that are never connected themselves: only duplicates of them are. */
export type Target = SingleTarget | ClusterTarget;

interface Common {
  /** For messages, without password. */
  readonly where: string;
  readonly keyPrefix: string;
  /** The server's user, for messages about rights. */
  readonly username: string | undefined;
}

export interface SingleTarget extends Common {
  readonly kind: 'single';
  /** The same for two targets that lead to one server, as far as addresses tell. */
  readonly server: string;
  readonly template: RedisClient;
}

export interface ClusterTarget extends Common {
  readonly kind: 'cluster';
  readonly template: ClusterClient;
  readonly nodeOptions: object;
}

const EXPECTED =
  "ioredis(...) takes a URL such as 'redis://localhost:6379' (rediss:// for TLS), the options of an ioredis client, " +
  'or a Redis or Cluster client of ioredis 5 or 6';

/** @throws OptionsError */
export function resolveTarget(target: string | RedisOptions | ExistingClient): Target {
  if (typeof target === 'string') return single(make(target));
  if (typeof target !== 'object' || target === null || Array.isArray(target)) {
    throw new OptionsError(`${EXPECTED}, and ${describe(target)} was given.`);
  }
  if (!isClient(target)) return single(make(target));
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

function make(target: string | RedisOptions): RedisClient {
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
    // Whatever a query string says: this one stays unconnected.
    client.disconnect();
    return client as unknown as RedisClient;
  } catch (error) {
    const reason = error instanceof Error ? maskUrl(error.message) : String(error);
    throw new OptionsError(`${EXPECTED}, and ioredis refuses ${shown}: ${reason}`);
  }
}

function isClient(target: RedisOptions | ExistingClient): target is ExistingClient {
  return 'duplicate' in target && typeof target.duplicate === 'function';
}

function prefixOf({ keyPrefix }: KnownOptions): string {
  if (typeof keyPrefix === 'string') return keyPrefix;
  if (keyPrefix === null || keyPrefix === undefined) return '';
  throw new OptionsError(
    `The keyPrefix of an ioredis client that is given to ioredis(...) is a string, and ${describe(keyPrefix)} came.`,
  );
}
