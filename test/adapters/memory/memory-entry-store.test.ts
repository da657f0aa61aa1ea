import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { Caching } from '../../../src/core/caching.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const ENTRIES = 100_000;
const VALUE_BYTES = 1_000;
/** Values and nonces. */
const MAX_ENTRIES = 250_000;
/** lru-cache has an index of fixed size. */
const INDEX_BYTES = MAX_ENTRIES * 16;

/** After a collection. Memory of array buffers is freed on another thread. */
async function arrayBuffers(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().arrayBuffers;
}

async function fill(caching: Caching): Promise<void> {
  const value = 'x'.repeat(VALUE_BYTES);
  for (let i = 0; i < ENTRIES; i += 1_000) {
    await Promise.all(
      Array.from({ length: 1_000 }, (_, j) =>
        caching.cache.set(`key:${i + j}`, value, { tags: [`tag:${i + j}`] }),
      ),
    );
  }
}

test.serial('memory() uses the bytes that it counts, without Node.js buffer slabs', async (t) => {
  const before = await arrayBuffers();
  const caching = new Caching({
    adapter: memory({ maxEntries: MAX_ENTRIES, maxBytes: 1e9 }),
    defaults: { ttl: '1h' },
  });
  t.teardown(() => caching.close());
  await fill(caching);
  const kept = (await arrayBuffers()) - before;
  const perEntry = (kept - INDEX_BYTES) / ENTRIES;
  t.log(`${perEntry.toFixed(0)} bytes in array buffers for each entry of ${VALUE_BYTES}`);
  t.true(perEntry >= VALUE_BYTES && perEntry < 1.15 * VALUE_BYTES, `${perEntry}`);
});

test.serial('maxBytes limits the used memory', async (t) => {
  const before = await arrayBuffers();
  const maxBytes = 20 * 1024 * 1024;
  const caching = new Caching({
    adapter: memory({ maxEntries: MAX_ENTRIES, maxBytes }),
    defaults: { ttl: '1h' },
  });
  t.teardown(() => caching.close());
  await fill(caching);
  const kept = (await arrayBuffers()) - before;
  t.log(`${(kept / 1024 / 1024).toFixed(1)} MiB are kept of at most ${maxBytes / 1024 / 1024}`);
  t.true(kept - INDEX_BYTES < maxBytes, `${kept}`);
});
