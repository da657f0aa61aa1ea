import { setTimeout as delay } from 'node:timers/promises';
import { RateLimitExceededError, createDecorators, currentLease, type Caching } from '../../../src/index.js';
import { lockKey, rateSubject } from '../../../src/core/keys/store-keys.js';
import type { Call as LimitedCall, CheckedRule, Run } from '../../limits/history/calls.js';
import { now } from './calls.js';
import type { LockedBody } from './check-locked-bodies.js';

export const NAMESPACE = 'guards';

/** Longer than a failover takes, so that units count that were lost in it. */
const LIMIT = { limit: 60, per: '6s' } as const;
const PER_MS = 6_000;
/** A subject is limited by one of these. */
export const RULES = [
  { name: 'gcra', algorithm: 'gcra', limit: LIMIT.limit, perMs: PER_MS },
  { name: 'log', algorithm: 'sliding-window-log', limit: LIMIT.limit, perMs: PER_MS },
  { name: 'fixed', algorithm: 'fixed-window', limit: LIMIT.limit, perMs: PER_MS },
] as const satisfies readonly (CheckedRule & { readonly name: string })[];
export const SLOTS = 3;
/** How long a body runs under a lock: for milliseconds, or for longer than a failover takes. */
const SHORT_MS = 6;
const LONG_MS = 4_000;
export type LockKind = 'plain' | 'fair' | 'several' | 'long' | 'permits';

/** Subjects of each rule, and locks of each kind: on several masters. */
export const SUBJECTS = 3;

export interface Limited {
  readonly subject: string;
  readonly call: LimitedCall;
}

export interface Held {
  readonly subject: string;
  readonly run: Run;
}

/** The key in the slot of a subject. */
export function limitRecord(subject: string): string {
  return rateSubject(NAMESPACE, subject);
}

/**
 * Methods that are limited or locked, on several subjects, and calls of them that say what happened.
 *
 * @param finished ends the bodies that run
 */
export function guardedBy(caching: Caching, process: number, finished: AbortSignal) {
  const { Locked, RateLimited } = createDecorators(caching);
  const body = async (
    ms: number,
  ): Promise<{
    begin: number;
    end: number;
    token: string | undefined;
    proven: boolean;
  }> => {
    const lease = currentLease();
    const begin = now();
    await delay(ms * (0.5 + Math.random()), undefined, { signal: finished }).catch(() => {});
    const end = now();
    let proven = true;
    try {
      lease.assertHeld();
    } catch {
      proven = false;
    }
    return { begin, end, token: lease.fencingToken?.toString(), proven };
  };
  const LOCK = { lease: '6s', wait: '2s' } as const;

  class Guarded {
    @RateLimited({ key: 'gcra:{0}', algorithm: 'gcra', ...LIMIT })
    async gcra(_subject: number): Promise<void> {}
    @RateLimited({ key: 'log:{0}', algorithm: 'sliding-window-log', ...LIMIT })
    async log(_subject: number): Promise<void> {}
    @RateLimited({ key: 'slots:{0}', algorithm: 'concurrency', limit: SLOTS, lease: '10s' })
    async slots(_subject: number): Promise<{ begun: number; ended: number }> {
      const begun = now();
      await delay(Math.random() * 10);
      return { begun, ended: now() };
    }

    @Locked({ key: 'plain:{0}', ...LOCK })
    async plain(_subject: number) {
      return body(SHORT_MS);
    }
    @Locked({ key: 'fair:{0}', fair: true, ...LOCK })
    async fair(_subject: number) {
      return body(SHORT_MS);
    }
    @Locked({ keys: ['a:{0}', 'b:{0}', 'c:{0}'], ...LOCK })
    async several(_subject: number) {
      return body(SHORT_MS);
    }
    @Locked({ key: 'long:{0}', lease: '20s', wait: '2s' })
    async long(_subject: number) {
      return body(LONG_MS);
    }
    @Locked({ key: 'permits:{0}', permits: 2, ...LOCK })
    async permits(_subject: number) {
      return body(SHORT_MS);
    }
  }

  const guarded = new Guarded();
  const limited = async (
    name: (typeof RULES)[number]['name'],
    subject: number,
    consume: () => Promise<Pick<LimitedCall, 'retryAfterMs' | 'resetMs' | 'source'> & { allowed: boolean }>,
  ): Promise<Limited & { readonly failed: boolean }> => {
    const sent = now();
    const outcome = await consume().catch(() => undefined);
    const made = { process, sent, received: now(), cost: 1 };
    const call: LimitedCall =
      outcome === undefined
        ? { ...made, outcome: 'unknown', source: 'none', retryAfterMs: 0, resetMs: 0 }
        : {
            ...made,
            outcome: outcome.allowed ? 'admitted' : 'refused',
            source: outcome.source,
            retryAfterMs: outcome.retryAfterMs,
            resetMs: outcome.resetMs,
          };
    return { subject: `${name}:${subject}`, call, failed: outcome === undefined };
  };
  /** What a refused call tells is in its error. */
  const decided = async (work: Promise<void>) => {
    try {
      await work;
      return { allowed: true, source: 'store' as const, retryAfterMs: 0, resetMs: 0 };
    } catch (error) {
      if (error instanceof RateLimitExceededError) return error.decision;
      throw error;
    }
  };
  return {
    limit: {
      gcra: (subject: number) => limited('gcra', subject, () => decided(guarded.gcra(subject))),
      log: (subject: number) => limited('log', subject, () => decided(guarded.log(subject))),
      // The judge of windows reads in every reply when the window ends, and a method does not have it.
      fixed: (subject: number) =>
        limited('fixed', subject, () =>
          caching.limits.consume(['fixed', String(subject)], { algorithm: 'fixed-window', ...LIMIT }),
        ),
    },
    async slots(subject: number): Promise<Held> {
      const sent = now();
      let [outcome, begun, ended]: [Run['outcome'], number, number] = ['unknown', Number.NaN, Number.NaN];
      try {
        ({ begun, ended } = await guarded.slots(subject));
        outcome = 'admitted';
      } catch (error) {
        if (error instanceof RateLimitExceededError) outcome = 'refused';
      }
      return { subject: `slots:${subject}`, run: { process, sent, received: now(), outcome, begun, ended } };
    },
    /** Rejects with what the lock throws. */
    async lock(kind: LockKind, subject: number): Promise<LockedBody> {
      const asked = now();
      const held = await guarded[kind](subject);
      const keys = kind === 'several' ? ['a', 'b', 'c'] : [kind];
      return {
        lock: `${kind}:${subject}`,
        records: keys.map((key) => lockKey(NAMESPACE, `${key}:${subject}`)),
        permits: kind === 'permits' ? 2 : 1,
        asked,
        ...held,
      };
    },
  };
}
