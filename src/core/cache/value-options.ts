import { custom, type Option } from '../shared/option-schema.js';
import { readPayloadCodec, type PayloadCodec } from '../values/payload-codec.js';
import type { Revive } from '../values/revive.js';
import { schemaOption, type StandardSchema } from '../values/schema.js';

/** What is made of stored values of type `R` (docs/values.md). */
export interface ValueOptions<R> {
  /**
   * Lets values be instances of a class. A class: the value, or each item of an array, is an instance of it; its own
   * properties are stored, and become an instance again without a call of the constructor. A function: it gets the stored
   * data and returns the value; if it throws, the entry is a miss.
   * @default none: instances are refused
   */
  readonly revive?: NoInfer<Revive<R>> | undefined;
  /**
   * A schema of zod, valibot or any other library with the Standard Schema interface. It checks, and may transform, each
   * value that is loaded or read. A stored value that it rejects is a miss. A loaded one is treated as `onUnsupported` says.
   * @default none
   */
  readonly schema?: StandardSchema<NoInfer<R>> | undefined;
}

/** How the plain verbs read values that were stored with the same options. */
export interface ReadOptions<R = unknown> extends ValueOptions<R> {
  /** The codec that the value was stored with. @default that of `defaults` */
  readonly codec?: PayloadCodec | undefined;
}

/** The schema of `ValueOptions`. */
export const valueOptions = {
  revive: custom('a class or a function', readRevive, undefined),
  schema: schemaOption,
} satisfies Record<keyof ValueOptions<unknown>, Option<unknown>>;

export const payloadCodec: Option<PayloadCodec | undefined> = custom(
  'a codec: { name, encode, decode }, with a name of 1 to 100 bytes',
  readPayloadCodec,
  undefined,
);

/** The schema of `ReadOptions`. */
export const readOptions = {
  ...valueOptions,
  codec: payloadCodec,
} satisfies Record<keyof ReadOptions, Option<unknown>>;

function readRevive(value: unknown): Revive<unknown> | undefined {
  return typeof value === 'function' ? (value as Revive<unknown>) : undefined;
}
