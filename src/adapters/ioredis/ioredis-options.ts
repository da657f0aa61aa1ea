import type { RedisOptions } from 'ioredis';
import type { Duration } from '../../core/shared/duration.js';
import { duration, unchecked, type Option } from '../../core/shared/option-schema.js';
import type { ExistingClient } from './connection/client-types.js';
import type { SingleTarget } from './connection/target.js';

export interface IoredisOptions {
  /**
   * The deadline of every command, counted from the call: from 1 ms to a minute. After it the call fails, and a later
   * reply is ignored.
   * @default '200ms'
   */
  readonly timeout?: Duration | undefined;
  /**
   * The deadline of a connection attempt, and once more that of the handshake after it: from 1 ms to a minute.
   * @default '2s'
   */
  readonly connectTimeout?: Duration | undefined;
  /**
   * Independent servers for locks, instead of the Redis of the cache: an odd number, 3 or more, each in a form that the
   * first argument accepts. A lock is granted by a majority of them, so a minority may be down. Fencing tokens, fair
   * locks and permits are not available then.
   * @default the Redis of the cache
   */
  readonly lockServers?: readonly (string | RedisOptions | ExistingClient)[] | undefined;
}

const TIMEOUT_LIMITS = { min: 1, max: 60_000 };

/** The schema of `IoredisOptions`: names, checks and defaults. */
export const ioredisOptions = {
  timeout: duration({ ...TIMEOUT_LIMITS, default: '200ms' }),
  connectTimeout: duration({ ...TIMEOUT_LIMITS, default: '2s' }),
  lockServers: unchecked<readonly unknown[]>('a list of servers'),
} satisfies Record<keyof IoredisOptions, Option<unknown>>;

/** The options, checked and resolved. */
export interface IoredisSettings {
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
  /** Independent servers for locks; undefined: locks are on the Redis of the cache. */
  readonly lockServers: readonly SingleTarget[] | undefined;
}
