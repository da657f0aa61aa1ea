import type { RedisOptions } from 'ioredis';
import type { Duration } from '../../core/shared/duration.js';
import { duration, unchecked, type Option } from '../../core/shared/option-schema.js';
import type { ExistingClient } from './connection/client-types.js';
import type { SingleTarget } from './connection/target.js';

export interface IoredisOptions {
  /**
   * The deadline of every command, counted from the call: from 1 ms to a minute. After it the call fails, and a reply
   * that comes later is ignored.
   * @default '200ms'
   */
  readonly timeout?: Duration | undefined;
  /**
   * How long it may take to connect, and as long again until the server answers the handshake: from 1 ms to a minute.
   * @default '2s'
   */
  readonly connectTimeout?: Duration | undefined;
  /**
   * Independent servers that locks stand on, instead of the Redis of the cache: an odd number, 3 or more, each as the
   * first argument takes it. A lock is got when a majority of them has granted it, so that a minority may be down.
   * There are no fencing tokens then, no fair locks and no permits.
   * @default the Redis of the cache
   */
  readonly lockServers?: readonly (string | RedisOptions | ExistingClient)[] | undefined;
}

const TIMEOUT_LIMITS = { min: 1, max: 60_000 };

/** The same as a schema: names, checks and defaults. */
export const ioredisOptions = {
  timeout: duration({ ...TIMEOUT_LIMITS, default: '200ms' }),
  connectTimeout: duration({ ...TIMEOUT_LIMITS, default: '2s' }),
  lockServers: unchecked<readonly unknown[]>('a list of servers'),
} satisfies Record<keyof IoredisOptions, Option<unknown>>;

/** The options, checked and with their defaults. */
export interface IoredisSettings {
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
  /** Independent servers for locks; undefined: locks are on the target. */
  readonly lockServers: readonly SingleTarget[] | undefined;
}
