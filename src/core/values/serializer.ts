import type { Buffer } from 'node:buffer';
import { ValueError } from '../shared/errors.js';
import type { PayloadCodec } from './payload-codec.js';
import { reviverOf, type Revive, type Reviver } from './revive.js';
import { SchemaRejection, validateBy, type StandardSchema } from './schema.js';
import { encodeInstance, type TypeCodecs } from './type-codec.js';
import { decodeValue, encodeValue, type EncodedValue } from './value-codec.js';
import { MAX_DEPTH, type ValueLimits } from './value-limits.js';

/** The options of a call that decide how its values are stored and what is made of them. */
export interface SerializerOptions {
  readonly revive?: Revive<unknown> | undefined;
  readonly schema?: StandardSchema | undefined;
  readonly codec?: PayloadCodec | undefined;
}

/** A stored value, or why there is none. */
export type Restored =
  | { readonly value: unknown; readonly cause?: undefined }
  /** `rejected`: by the schema, or by `revive`, which threw `error`. */
  | { readonly cause: 'undecodable' | 'rejected'; readonly error?: unknown };

/** A loaded value: what the call returns, and what is stored. */
export interface LoadedParts {
  readonly value: unknown;
  readonly stored: unknown;
}

/**
 * Stores and restores the values of calls that have one of the options `revive`, `schema` and `codec`, or whose `Caching` has
 * `codecs`. Calls without any have none, and use the functions of value-codec.ts.
 *
 *     to the store    data of the instances (revive); check (schema); encode (codec, codecs)
 *     from the store  decode (codec, codecs); check and transform (schema); make instances (revive)
 *
 * What is stored is the value before the schema transforms it, so that the schema always gets what it expects.
 */
export class Serializer {
  readonly #reviver: Reviver | undefined;
  readonly #schema: StandardSchema | undefined;
  readonly #types: TypeCodecs | undefined;
  readonly #codec: PayloadCodec | undefined;
  /** For reading: values that were stored before `codec` was set for the call. */
  readonly #codecs: readonly PayloadCodec[];
  /** The same without the schema, for values that have passed it. */
  readonly withoutSchema: Serializer;

  constructor(
    { revive, schema, codec }: SerializerOptions,
    types: TypeCodecs | undefined,
    codecs: readonly PayloadCodec[],
  ) {
    this.#reviver = revive === undefined ? undefined : reviverOf(revive);
    this.#schema = schema;
    this.#types = types;
    this.#codec = codec;
    this.#codecs = codecs;
    this.withoutSchema = schema === undefined ? this : new Serializer({ revive, codec }, types, codecs);
  }

  /**
   * Checks a loaded value.
   * @throws ValueError for a value that the schema rejects, or of which `revive` cannot make it again
   */
  accept(value: unknown): LoadedParts {
    // Undefined is no value: of an id that was not found, say.
    if (this.#schema === undefined || value === undefined) return { value, stored: value };
    const data = this.#dataOf(value);
    try {
      const output = validateBy(this.#schema, data);
      return { value: this.#revive(output), stored: data };
    } catch (error) {
      if (!(error instanceof SchemaRejection)) throw error;
      throw new ValueError(
        `Expected a value that schema accepts: ${error.message}. Correct the value, or the schema.`,
        'rejected',
        { cause: error },
      );
    }
  }

  /**
   * @param stored of `accept`
   * @throws ValueError
   */
  encode(stored: unknown, limits: ValueLimits): EncodedValue {
    // With a schema, `accept` has taken the data out.
    const data = this.#schema === undefined ? this.#dataOf(stored) : stored;
    return encodeValue(data, limits, { codec: this.#codec, types: this.#types });
  }

  /** Never throws. */
  decode(codec: number, payload: Buffer, maxBytes: number): Restored {
    const decoded = decodeValue(codec, payload, maxBytes, { types: this.#types, codecs: this.#codecs });
    if (decoded === undefined) return { cause: 'undecodable' };
    try {
      const { value } = decoded;
      const isChecked = this.#schema !== undefined && value !== undefined;
      return { value: this.#revive(isChecked ? validateBy(this.#schema, value) : value) };
    } catch (error) {
      // An entry of an older shape is no error. A mistake in the schema or in `revive` is one.
      return error instanceof SchemaRejection ? { cause: 'rejected' } : { cause: 'rejected', error };
    }
  }

  /** The data of an instance whose class has a codec; undefined for any other object. */
  readonly instanceData = (instance: object): unknown => {
    const codec = this.#types?.of(Object.getPrototypeOf(instance) as object);
    return codec === undefined ? undefined : encodeInstance(codec, instance);
  };

  #dataOf(value: unknown): unknown {
    return this.#reviver === undefined ? value : this.#reviver.dataOf(value);
  }

  #revive(data: unknown): unknown {
    return this.#reviver === undefined ? data : this.#reviver.revive(data);
  }
}

/**
 * Encodes a value with the serializer of a call, or with the standard codecs if it has none.
 *
 * @param stored of `Serializer.accept`
 * @throws ValueError
 */
export function serialize(policy: SerializerPolicy, stored: unknown): EncodedValue {
  const { serializer, maxValueBytes: maxBytes, compression: compressFrom } = policy;
  const limits = { maxBytes, maxDepth: MAX_DEPTH, compressFrom };
  return serializer === undefined ? encodeValue(stored, limits) : serializer.encode(stored, limits);
}

interface SerializerPolicy {
  readonly serializer: Serializer | undefined;
  readonly maxValueBytes: number;
  readonly compression: number;
}

/** The serializers of one `Caching`. Equal options have the same one: the L1 compares them by identity. */
export class Serializers {
  /** Of calls with no options of their own; undefined for the standard codecs. */
  readonly base: Serializer | undefined;
  readonly #types: TypeCodecs | undefined;
  readonly #codec: PayloadCodec | undefined;
  readonly #made = new WeakMap<object, WeakMap<object, WeakMap<object, Serializer>>>();

  /** @param codec the default of all calls */
  constructor(types: TypeCodecs | undefined, codec: PayloadCodec | undefined) {
    this.#types = types;
    this.#codec = codec;
    if (types !== undefined || codec !== undefined) this.base = this.#of({ codec });
  }

  of(options: SerializerOptions): Serializer | undefined {
    const { revive, schema, codec = this.#codec } = options;
    if (revive === undefined && schema === undefined && codec === this.#codec) return this.base;
    return this.#of({ revive, schema, codec });
  }

  #of(options: SerializerOptions): Serializer {
    const { revive, schema, codec } = options;
    const bySchema = getOrMake(this.#made, revive, () => new WeakMap());
    const byCodec = getOrMake(bySchema, schema, () => new WeakMap());
    return getOrMake(byCodec, codec, () => {
      const codecs = [codec, this.#codec].filter((one) => one !== undefined);
      return new Serializer(options, this.#types, codecs);
    });
  }
}

const NONE = {};

function getOrMake<Value>(map: WeakMap<object, Value>, key: object | undefined, make: () => Value): Value {
  const found = map.get(key ?? NONE);
  if (found !== undefined) return found;
  const made = make();
  map.set(key ?? NONE, made);
  return made;
}
