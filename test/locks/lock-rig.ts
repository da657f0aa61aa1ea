import type { ExecutionContext } from 'ava';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import { recordEvents, type EventRecorder } from '../../src/testing/record-events.js';
import { lockTimes, type LockTimes, type AcquireOptions } from '../../src/core/locks/lock-options.js';
import { parseOptions } from '../../src/core/shared/option-schema.js';
import { LockEngine } from '../../src/core/locks/lock-engine.js';
import { Locks } from '../../src/core/locks/locks.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { LockGrant, LockReply, LockRequest, LockStore } from '../../src/core/ports/lock-store.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { deferred, type Deferred } from '../support/deferred.js';
import type { Lease } from '../../src/core/locks/lease.js';

let rigs = 0;

function parsed(defaults: LockTimes) {
  return parseOptions(lockTimes, defaults, 'the rig');
}

export interface Asked {
  readonly request: LockRequest;
  readonly budget: number | undefined;
  readonly reply: Deferred<LockReply>;
}

export interface ScriptedGrant extends LockGrant {
  /** The durations of its extensions in ms, in order. */
  readonly extensions: readonly number[];
  readonly releases: number;
  /** The replies to the next extensions. Later ones are `extended`. */
  answer(...answers: (Awaited<ReturnType<LockGrant['extend']>> | Error | Promise<never>)[]): void;
  failRelease(error: Error): void;
}

export function scriptedGrant(fencingToken: bigint | undefined = 1n): ScriptedGrant {
  const extensions: number[] = [];
  const answers: (Awaited<ReturnType<LockGrant['extend']>> | Error | Promise<never>)[] = [];
  let releases = 0;
  let failure: Error | undefined;
  return {
    fencingToken,
    extensions,
    get releases() {
      return releases;
    },
    answer: (...more) => void answers.push(...more),
    failRelease: (error) => (failure = error),
    extend: async (leaseMs) => {
      extensions.push(leaseMs);
      const answer = await (answers.shift() ?? 'extended');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    release: async () => {
      releases++;
      if (failure !== undefined) throw failure;
    },
  };
}

export interface ScriptedRig {
  readonly clock: FakeClock;
  readonly locks: Locks;
  readonly engine: LockEngine;
  /** All requests so far. Each waits for its `reply`. */
  readonly asked: readonly Asked[];
  readonly abandoned: readonly LockRequest[];
  /** The replies to the next requests, which then do not wait. */
  next(...replies: LockReply[]): void;
  readonly of: EventRecorder['of'];
}

/** @param view the clock that the locks use, derived from the fake clock @default the fake clock */
export function scriptedRig(
  t: ExecutionContext,
  {
    defaults = {},
    single = true,
    view,
  }: {
    readonly defaults?: LockTimes;
    readonly single?: boolean;
    readonly view?: (clock: FakeClock) => Clock;
  } = {},
): ScriptedRig {
  const clock = fakeClock();
  const namespace = `scripted-${++rigs}`;
  const asked: Asked[] = [];
  const abandoned: LockRequest[] = [];
  const replies: LockReply[] = [];
  let closing = false;
  const store: LockStore = {
    hasSingleAuthority: single,
    acquire: (request, budget) => {
      const one = { request, budget, reply: deferred<LockReply>() };
      asked.push(one);
      const reply = closing ? held(1) : replies.shift();
      if (reply !== undefined) one.reply.resolve(reply);
      return one.reply.promise;
    },
    abandon: async (request) => void abandoned.push(request),
  };
  const engine = new LockEngine({
    namespace,
    store,
    clock: view?.(clock) ?? clock,
    defaults: parsed(defaults),
    enabled: true,
  });
  const { of, stop } = recordEvents(namespace);
  t.teardown(async () => {
    closing = true;
    for (const { reply } of asked) reply.resolve(held(1));
    await engine.close();
    stop();
  });
  return {
    clock,
    locks: new Locks(engine),
    engine,
    asked,
    abandoned,
    next: (...more) => void replies.push(...more),
    of,
  };
}

export function granted(grant: LockGrant = scriptedGrant()): LockReply {
  return { status: 'granted', grant };
}

export function held(forMs = 1_000): LockReply {
  return { status: 'held', forMs };
}

export function unavailable(...messages: string[]): LockReply {
  const servers = messages.map((message, i) => ({
    server: `server ${i + 1}`,
    answer: new StoreUnavailableError(message, 'unknown'),
  }));
  return { status: 'unavailable', servers };
}

/** Tracks the state of a promise. */
export function watch<Value>(promise: Promise<Value>): {
  readonly state: 'pending' | 'resolved' | 'rejected';
  readonly value: Value | undefined;
  readonly error: unknown;
} {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value: Value | undefined; error: unknown } = {
    state: 'pending',
    value: undefined,
    error: undefined,
  };
  promise.then(
    (value) => {
      seen.state = 'resolved';
      seen.value = value;
    },
    (error: unknown) => {
      seen.state = 'rejected';
      seen.error = error;
    },
  );
  return seen;
}

/** The longest pause between two attempts, in ms: the last poll interval with its jitter. */
export const POLL = 313;

/** Acquires the lock and holds it until `release`. The outcome is added to `order`. */
export function holder(
  locks: Locks,
  name: string,
  order: string[],
  options: AcquireOptions = {},
): { readonly lease: Promise<Lease>; release(): Promise<void> } {
  const lease = locks.acquire('k', options);
  lease.then(
    () => order.push(name),
    () => order.push(`${name} refused`),
  );
  return { lease, release: async () => (await lease).release() };
}
