import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** The keys of a trace of traces/, in the order of the accesses. */
export function readTrace(name) {
  const bytes = gunzipSync(readFileSync(new URL(`../traces/${name}.trace.gz`, import.meta.url)));
  if (name === 'web12')
    return Array.from({ length: bytes.length >> 2 }, (_, i) => String(bytes.readInt32BE(i * 4)));
  return bytes
    .toString()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('*'));
}
