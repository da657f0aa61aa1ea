import { Buffer } from 'node:buffer';
import {
  decodeEntry,
  encodeEntry,
  writtenHead,
  type Entry,
  type EntryFormat,
} from '../ports/entry-format.js';
import { nodeCrypto } from '../shared/builtin-modules.js';
import { HmacSha256 } from './hmac-sha-256.js';
import type { SealMode, SealSettings } from './seal-options.js';
import type { Sealer } from './sealer.js';
import { Xaes256Gcm } from './xaes-256-gcm.js';

/** The ids in the header of a sealed entry, in the place of a codec (values/value-codec.ts). Their meaning never changes. */
const MODES: Readonly<
  Record<SealMode, { readonly codec: number; readonly sealer: new (key: Buffer) => Sealer }>
> = {
  encrypt: { codec: 7, sealer: Xaes256Gcm },
  sign: { codec: 8, sealer: HmacSha256 },
};

const KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
const CODEC_BYTES = 1;

interface NamedSealer {
  /** Derived from the key, so that a reader knows which of its keys has sealed an entry. */
  readonly id: Buffer;
  readonly sealer: Sealer;
}

/**
 * Entries whose payloads are encrypted or signed. The payload of such an entry is:
 *
 *     0   id of the key, 8 bytes
 *     8   sealed, together with the head of the record (`writtenHead`): the codec of the value, u8, and its payload
 *
 * The head has the logical key, the tags with their nonces, the times of the load and of the end, and the lengths of all
 * that. The keys are derived for one namespace and one mode. So whatever is moved to another key or namespace, or altered,
 * is not decoded.
 */
export class SealedEntries implements EntryFormat {
  readonly isSealed = true;
  readonly #codec: number;
  readonly #writer: NamedSealer;
  readonly #byId: ReadonlyMap<string, Sealer>;

  constructor({ keys, mode }: SealSettings, namespace: string) {
    const { codec, sealer: Mode } = MODES[mode];
    const sealers = keys.map((key): NamedSealer => {
      // guard: sealing-key-is-of-one-namespace
      const info = `cachement seal 1 ${mode} ${namespace}`;
      const derived = Buffer.from(nodeCrypto().hkdfSync('sha256', key, '', info, KEY_BYTES + KEY_ID_BYTES));
      return { id: derived.subarray(KEY_BYTES), sealer: new Mode(derived.subarray(0, KEY_BYTES)) };
    });
    this.#codec = codec;
    this.#writer = sealers[0]!;
    this.#byId = new Map(sealers.map(({ id, sealer }) => [id.toString('latin1'), sealer]));
  }

  encode(key: string, entry: Entry): Buffer {
    const { id, sealer } = this.#writer;
    const bytes = Buffer.concat([Buffer.of(entry.codec), entry.payload]);
    const payload = Buffer.alloc(KEY_ID_BYTES + sealer.overhead + bytes.length);
    const record = encodeEntry(key, { ...entry, codec: this.#codec, payload });
    const payloadAt = record.length - payload.length;
    id.copy(record, payloadAt);
    sealer.seal(bytes, writtenHead(record, payload.length)).copy(record, payloadAt + KEY_ID_BYTES);
    return record;
  }

  decode(key: string, record: Uint8Array): Entry | undefined {
    const entry = decodeEntry(key, record);
    if (entry === undefined) return undefined;
    const { payload } = entry;
    const sealer = this.#byId.get(payload.toString('latin1', 0, KEY_ID_BYTES));
    const bytes = sealer?.open(payload.subarray(KEY_ID_BYTES), writtenHead(record, payload.length));
    if (bytes === undefined) return undefined;
    return { ...entry, codec: bytes[0]!, payload: bytes.subarray(CODEC_BYTES) };
  }
}
