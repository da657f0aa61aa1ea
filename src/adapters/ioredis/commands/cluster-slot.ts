import { Buffer } from 'node:buffer';

export const SLOTS = 16_384;
const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  table[byte] = crc;
}

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
  let crc = 0;
  for (let i = 0; i < hashed.length; i++) {
    const unit = hashed.charCodeAt(i);
    if (unit > 0x7f) return slotOfBytes(Buffer.from(hashed));
    crc = (crc << 8) ^ table[((crc >> 8) ^ unit) & 0xff]!;
  }
  return (crc & 0xffff) % SLOTS;
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

function slotOfBytes(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) crc = (crc << 8) ^ table[((crc >> 8) ^ byte) & 0xff]!;
  return (crc & 0xffff) % SLOTS;
}
