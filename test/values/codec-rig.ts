import { Buffer } from 'node:buffer';
import type { ExecutionContext } from 'ava';
import { ValueError } from '../../src/core/shared/errors.js';
import { MAX_DEPTH } from '../../src/core/values/value-limits.js';
import { decodeValue, encodeValue } from '../../src/core/values/value-codec.js';
import { sameValue } from '../support/same-value.js';

export const LIMITS = { maxBytes: 8 * 1024 * 1024, maxDepth: 100 };

export const DEEPEST = { ...LIMITS, maxDepth: MAX_DEPTH };

export function decodeText(codec: number, text: string) {
  return decodeValue(codec, Buffer.from(text));
}

export function roundTrip(t: ExecutionContext, value: unknown, codec: number): unknown {
  const encoded = encodeValue(value, LIMITS);
  t.is(encoded.codec, codec);
  const decoded = decodeValue(encoded.codec, encoded.payload);
  t.truthy(decoded);
  t.true(sameValue(value, decoded?.value));
  return decoded?.value;
}

export interface Refused {
  readonly path: string;
  readonly found: RegExp;
  readonly reason?: ValueError['reason'];
}

export function refuses(
  t: ExecutionContext,
  value: unknown,
  { path, found, reason = 'unsupported' }: Refused,
): void {
  const error = t.throws(() => encodeValue(value, LIMITS), { instanceOf: ValueError });
  t.is(error.reason, reason);
  t.is(error.code, 'E_VALUE');
  t.regex(error.message, found);
  t.true(error.message.includes(` at value${path}. `), error.message);
}

export function nested(levels: number, innermost: unknown): unknown {
  let value = innermost;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}
