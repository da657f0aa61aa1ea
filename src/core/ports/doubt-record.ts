import { Buffer } from 'node:buffer';
import { MAGIC, WIRE_VERSION } from './entry-format.js';

/**
 * The record at a key, or at a nonce, that writes have marked as in doubt: they run, and may change what it depends on.
 *
 *     0      magic 0xCE
 *     1      wire version
 *     2      flags: 16
 *     3      number of marks
 *     4      for each mark: its end, float64 BE, ms since the epoch by the store's clock; its token, 16 ASCII bytes
 *     ...    the end of what stood there before, float64 BE, ms since the epoch by the store's clock; 0: nothing that may stand
 *            again
 *     ...    what stood there before, to the end
 *
 * Each write has a mark of its own. One that succeeds takes its mark away, and what stood before. One that fails takes its mark
 * away; the last one that does so puts back what stood before. A mark that ends by itself is of a writer that has died: what
 * stood before does not stand again.
 *
 * The record of a nonce keeps the marks that have ended, until an invalidation of the tag: loads that have started under them
 * must not be stored, and the invalidation tells them so (tag-changes.ts).
 *
 * No reader of values takes such a record for a value, a lease or a nonce.
 */
export const IN_DOUBT = 16;
export const MARKS_AT = 4;
export const MARK_LENGTH = 24;
const END_LENGTH = 8;
const MAX_MARKS = 255;

export interface Mark {
  /** Identifies the write. */
  readonly token: string;
  /** Ms since the epoch, by the store's clock. */
  readonly endsAt: number;
}

export interface Doubt {
  readonly marks: readonly Mark[];
  /** What stood before; undefined if it may not stand again. */
  readonly base: { readonly bytes: Uint8Array; readonly endsAt: number } | undefined;
}

/** True for a record of `encodeDoubt`. */
export function isInDoubt(bytes: Uint8Array): boolean {
  return bytes.length >= MARKS_AT && bytes[0] === MAGIC && bytes[1] === WIRE_VERSION && bytes[2] === IN_DOUBT;
}

/** @returns undefined for other bytes */
export function decodeDoubt(bytes: Uint8Array): Doubt | undefined {
  if (!isInDoubt(bytes)) return undefined;
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const baseAt = MARKS_AT + bytes[3]! * MARK_LENGTH + END_LENGTH;
  if (baseAt > record.length) return undefined;
  const marks = Array.from({ length: bytes[3]! }, (_, i): Mark => {
    const at = MARKS_AT + i * MARK_LENGTH;
    return {
      endsAt: record.readDoubleBE(at),
      token: record.toString('latin1', at + END_LENGTH, at + MARK_LENGTH),
    };
  });
  const endsAt = record.readDoubleBE(baseAt - END_LENGTH);
  return { marks, base: endsAt === 0 ? undefined : { endsAt, bytes: record.subarray(baseAt) } };
}

export function encodeDoubt({ marks, base }: Doubt): Uint8Array {
  const latest = marks.slice(-MAX_MARKS);
  // What a mark that is left out protects must not stand again.
  const kept = latest.length === marks.length ? base : undefined;
  const baseAt = MARKS_AT + latest.length * MARK_LENGTH + END_LENGTH;
  const record = Buffer.alloc(baseAt + (kept?.bytes.length ?? 0));
  record[0] = MAGIC;
  record[1] = WIRE_VERSION;
  record[2] = IN_DOUBT;
  record[3] = latest.length;
  latest.forEach(({ endsAt, token }, i) => {
    const at = MARKS_AT + i * MARK_LENGTH;
    record.writeDoubleBE(endsAt, at);
    record.write(token, at + END_LENGTH, 'latin1');
  });
  if (kept !== undefined) {
    record.writeDoubleBE(kept.endsAt, baseAt - END_LENGTH);
    record.set(kept.bytes, baseAt);
  }
  return record;
}

/** The marks of others than `token`, and whether one of all, that of `token` included, has ended. */
export function otherMarks(
  { marks }: Doubt,
  token: string | undefined,
  now: number,
): { readonly live: readonly Mark[]; readonly ended: readonly Mark[]; readonly hasEnded: boolean } {
  const others = marks.filter((mark) => mark.token !== token);
  return {
    live: others.filter(({ endsAt }) => endsAt > now),
    ended: others.filter(({ endsAt }) => endsAt <= now),
    hasEnded: marks.some(({ endsAt }) => endsAt <= now),
  };
}

/**
 * When the last mark of a nonce ends, in ms since the epoch by the store's clock.
 * @param nonce as it was read, latin1
 * @returns undefined for a nonce that is not in doubt
 */
export function doubtEndsAt(nonce: string | null | undefined): number | undefined {
  if (nonce === null || nonce === undefined || nonce.charCodeAt(0) !== MAGIC) return undefined;
  const doubt = decodeDoubt(Buffer.from(nonce, 'latin1'));
  return doubt === undefined ? undefined : Math.max(0, ...doubt.marks.map(({ endsAt }) => endsAt));
}

/** How long the record of a nonce outlives its marks, in ms: longer than any load that has started under them. */
export const ENDED_MARK_MS = 86_400_000;
