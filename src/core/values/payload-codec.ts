import { Buffer } from 'node:buffer';
import { nodeZlib } from '../shared/builtin-modules.js';

/** A codec of whole values, in place of the standard ones: of another format, or of values that those refuse. */
export interface PayloadCodec {
  /**
   * Stored with each value, so that a reader knows the codec: 1 to 100 characters. Another format needs another name. A
   * reader without a codec of this name takes the entry for a miss.
   */
  readonly name: string;
  /**
   * Returns the bytes of a value, or undefined to leave it to the standard codecs. It decides what comes back equal: nothing
   * else checks the value. If it throws, the call rejects with a ValueError.
   */
  encode(value: unknown): Uint8Array | undefined;
  /** Returns a new value for the bytes, which it must not keep. If it throws, the entry is a miss. */
  decode(bytes: Uint8Array): unknown;
}

const CHECKSUM_BYTES = 4;

/** @returns the length of the name in one byte, the name, the bytes, and the CRC-32 of all that */
export function encodePayload({ name }: PayloadCodec, bytes: Uint8Array): Buffer {
  const nameLength = Buffer.byteLength(name);
  const end = 1 + nameLength + bytes.length;
  const payload = Buffer.allocUnsafe(end + CHECKSUM_BYTES);
  payload[0] = nameLength;
  payload.write(name, 1);
  payload.set(bytes, 1 + nameLength);
  payload.writeUInt32BE(nodeZlib().crc32(payload.subarray(0, end)), end);
  return payload;
}

/** @throws for damaged bytes, for a name that none of the codecs has, and what the codec throws */
export function decodePayload(codecs: readonly PayloadCodec[], payload: Buffer): unknown {
  const end = payload.length - CHECKSUM_BYTES;
  // guard: codec-bytes-have-their-checksum
  if (payload.readUInt32BE(end) !== nodeZlib().crc32(payload.subarray(0, end)))
    throw new RangeError('Expected another checksum: the bytes are damaged.');
  const nameEnd = 1 + payload[0]!;
  const name = payload.toString('utf8', 1, nameEnd);
  const codec = codecs.find((one) => one.name === name);
  if (codec === undefined) throw new SyntaxError('Expected the name of a known codec.');
  return codec.decode(payload.subarray(nameEnd, end));
}

/** The codec that an option names; undefined for anything else. */
export function readPayloadCodec(value: unknown): PayloadCodec | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, encode, decode } = value as Partial<PayloadCodec>;
  const isCodec =
    typeof name === 'string' &&
    name.length > 0 &&
    Buffer.byteLength(name) <= 100 &&
    typeof encode === 'function' &&
    typeof decode === 'function';
  return isCodec ? (value as PayloadCodec) : undefined;
}
