import { Buffer } from 'node:buffer';

export const SLOTS = 16_384;
const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  table[byte] = crc;
}
const scratch = Buffer.allocUnsafe(1_024);
/** Of UTF-8, for one UTF-16 unit of a string. */
const MAX_BYTES_OF_UNIT = 3;

/**
 * Returns the slot of a key in a Cluster: CRC16 (XMODEM) of its hash tag, or of the whole key if it has none. The hash
 * tag is the text between the first `{` and the next `}`; if that is empty, there is none.
 *
 * Not the package cluster-key-slot, which is inside ioredis: after an empty `{}` it takes the text up to a later `}` as
 * the hash tag, unlike the Cluster specification. For a key with `{}` before a later `{...}` it returns another slot
 * than the server.
 */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  let hashed = key;
  if (open >= 0) {
    const close = key.indexOf('}', open + 1);
    if (close > open + 1) hashed = key.slice(open + 1, close);
  }
  // Not unit by unit from the string: strings that were joined or cut are slow to read.
  const bytes = hashed.length * MAX_BYTES_OF_UNIT <= scratch.length ? scratch : Buffer.from(hashed);
  const length = bytes === scratch ? scratch.write(hashed) : bytes.length;
  let crc = 0;
  for (let i = 0; i < length; i++) {
    crc = ((crc << 8) & 0xff00) ^ table[((crc >> 8) ^ bytes[i]!) & 0xff]!;
  }
  return crc % SLOTS;
}

/**
 * Groups keys, or what has keys, by slot, because one script may only have keys of one slot. The groups are in the order of
 * their slots.
 */
export function groupsBySlot<T>(items: readonly T[], slotOf: (item: T) => number): readonly (readonly T[])[] {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const slot = slotOf(item);
    const group = groups.get(slot);
    if (group === undefined) groups.set(slot, [item]);
    else group.push(item);
  }
  return [...groups].sort(([one], [other]) => one - other).map(([, group]) => group);
}
