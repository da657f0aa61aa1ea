import { OptionsError } from '../shared/errors.js';
import {
  defaultsOf,
  duration,
  integer,
  parseOptions,
  resolveOptions,
  type Option,
} from '../shared/option-schema.js';
import type { Duration } from '../shared/duration.js';

export interface WaitReplicasOptions {
  /** How many replicas, 1 or more. In a Cluster: of each master that has one of the keys. */
  readonly count: number;
  /** How long to wait for them. @default '1s' */
  readonly timeout?: Duration | undefined;
}

/** The schema of `WaitReplicasOptions`. */
export const waitReplicasOptions = {
  count: integer({ min: 1 }),
  timeout: duration({ min: 1, default: '1s' }),
} satisfies Record<keyof WaitReplicasOptions, Option<unknown>>;

/** How many replicas an invalidation waits for, and how long at most, in ms. */
export interface ReplicaWait {
  readonly count: number;
  readonly timeout: number;
}

/** @param label names the call in errors @throws OptionsError */
export function replicaWaitOf(
  options: WaitReplicasOptions | undefined,
  label: string,
): ReplicaWait | undefined {
  if (options === undefined) return undefined;
  const what = `waitReplicas of ${label}`;
  const { count, timeout } = resolveOptions(
    parseOptions(waitReplicasOptions, options, what),
    defaultsOf(waitReplicasOptions),
  );
  if (count === undefined) throw new OptionsError(`${what} needs a count: waitReplicas: { count: 1 }.`);
  return { count, timeout };
}

/** The wait that satisfies both. */
export function longerWait(
  one: ReplicaWait | undefined,
  other: ReplicaWait | undefined,
): ReplicaWait | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return { count: Math.max(one.count, other.count), timeout: Math.max(one.timeout, other.timeout) };
}
