import { encodeEntry, tagNames, type Tagged } from './entry.js';
import { ValueError } from './errors.js';
import { nonceLife, type Lease } from './leases.js';
import type { Policy } from './options.js';
import type { FillReply } from './ports.js';
import { NEVER, type ReadCall } from './read-call.js';
import type { Subject } from './reporter.js';
import { pair, sameEpochs } from './tags.js';
import { newToken } from './token.js';
import { MAX_DEPTH } from './value-limits.js';
import { encodeValue, type EncodedValue } from './values.js';
import type { Workings } from './workings.js';

/** Storing what was loaded under a lease, and knowing what that proves. */
export class Fills {
  readonly #in: Workings;

  constructor(shared: Workings) {
    this.#in = shared;
  }

  /** The life of this value, its jitter taken off; 0: it is not stored. */
  ttlFor(policy: Policy, value: unknown): number {
    const full = value === null || value === undefined ? policy.negativeTtl : policy.ttl;
    return Math.ceil(full * (1 - policy.jitter * this.#in.clock.random()));
  }

  /**
   * @returns undefined: it is not to be stored
   * @throws ValueError if the policy is to tell the caller
   */
  encode<T>(call: ReadCall<T>, value: T): EncodedValue | undefined {
    const { maxValueBytes, onUnsupported } = call.policy;
    try {
      return encodeValue(value, { maxBytes: maxValueBytes, maxDepth: MAX_DEPTH });
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const tooLarge = error.reason === 'too large';
      if (!tooLarge && onUnsupported === 'throw') throw error;
      this.#in.reporter.error('encode', call, error);
      this.#in.reporter.refused(call, tooLarge ? 'too large' : 'unsupported');
      return undefined;
    }
  }

  /** Puts the value in the place of the lease, if it is not too old by then. */
  async fill(
    subject: Subject,
    lease: Lease,
    tagged: readonly Tagged[],
    encoded: EncodedValue,
    ttl: number,
  ): Promise<FillReply> {
    const { clock, names, reporter, store } = this.#in;
    const left = Math.floor(ttl - (clock.now() - lease.since));
    if (left <= 0) {
      reporter.refused(subject, 'expired');
      return (await this.release(subject.key, lease)) ? 'expired' : 'refused';
    }
    const until = lease.at + ttl;
    const record = encodeEntry(subject.key, {
      token: lease.token,
      codec: encoded.codec,
      loadStart: lease.at,
      freshUntil: until,
      clearNonce: lease.minted.nonces[0]!,
      tags: tagged,
      payload: encoded.payload,
    });
    const reply = await store.fill(names.entry(subject.key), lease.token, record, until);
    if (reply === 'stored') {
      reporter.publish('fill', subject.method, { key: subject.key, bytes: record.length, ttlMs: left });
    } else {
      reporter.refused(subject, reply === 'expired' ? 'expired' : 'invalidated');
    }
    return reply;
  }

  /** Gives the lease back without a value. False: it was not there any more. */
  release(key: string, lease: Lease): Promise<boolean> {
    return this.#in.store.release(this.#in.names.entry(key), lease.token);
  }

  /** Tags that only the result told: their nonces count if their epochs have not moved since before the load. */
  async lateTags<T>(
    call: ReadCall<T>,
    lease: Lease,
    known: readonly Tagged[],
    late: readonly string[],
  ): Promise<readonly Tagged[] | undefined> {
    const { names, store } = this.#in;
    const now = await store.mint(names.tags(late), names.epochs, newToken(), nonceLife(call.policy.ttl));
    if (!sameEpochs(lease.minted.epochs, now.epochs, late)) return undefined;
    return [...known, ...pair(late, now.nonces)!];
  }

  /**
   * Ends the lease by `settle` and reads the nonces again, in one round trip. If the lease was still there and
   * the nonces are those from before the load, nothing had been invalidated when the two were sent.
   * @returns the ordinal from which on the store vouches for the value, or -1
   */
  async vouch(lease: Lease, tagged: readonly Tagged[], settle: () => Promise<boolean>): Promise<number> {
    const { names, nextOrdinal, store } = this.#in;
    const asOf = nextOrdinal();
    const [held, nonces] = await Promise.all([settle(), store.nonces(names.nonces(tagNames(tagged)))]);
    const stood =
      nonces[0] === lease.minted.nonces[0] && tagged.every(({ nonce }, i) => nonces[i + 1] === nonce);
    return held && stood ? asOf : NEVER;
  }
}
