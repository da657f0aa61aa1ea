import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'ava';
import { RememberedKey } from '../../src/core/keys/key-memo.js';
import { StoreKeys } from '../../src/core/keys/store-keys.js';
import { L1Cache, TRUST_MS } from '../../src/core/l1/l1-cache.js';
import type { L1Record } from '../../src/core/l1/l1-entry.js';
import { l1Options, type L1Settings } from '../../src/core/l1/l1-options.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { TagVersion } from '../../src/core/ports/entry-format.js';
import { defaultsOf } from '../../src/core/shared/option-schema.js';
import { systemClock } from '../../src/core/shared/system-clock.js';
import { encodeValue } from '../../src/core/values/value-codec.js';
import { fakeClock } from '../../src/testing/fake-clock.js';

function l1(settings: Partial<L1Settings> = {}) {
  const clock = fakeClock();
  return { clock, ...l1With(clock, settings) };
}

function l1With(clock: Clock, settings: Partial<L1Settings>) {
  const names = new StoreKeys('test');
  const cache = new L1Cache({ ...defaultsOf(l1Options), ...settings }, names, clock);
  cache.confirmed(Infinity);
  const record = (
    value: unknown,
    { tags = [], clearNonce = 'clear' }: { tags?: TagVersion[]; clearNonce?: string } = {},
  ) => ({
    entry: {
      token: `token of ${String(value)}`,
      clearNonce,
      tags,
      ...encodeValue(value, { maxBytes: 1e6, maxDepth: 10 }),
    },
    decoded: undefined,
    expiresAt: clock.now() + 60_000,
  });
  const keys = new Map<string, RememberedKey>();
  const remembered = (key: string): RememberedKey => {
    if (!keys.has(key)) keys.set(key, new RememberedKey(key));
    return keys.get(key)!;
  };
  /** By a remembered key, which must find what the key itself finds. */
  const found = async (key: string): Promise<unknown> => {
    const entry = cache.findRemembered(remembered(key), Infinity);
    assert.equal(entry, cache.find(key, Infinity));
    return entry?.read();
  };
  return { names, cache, record, found, remembered };
}

// All of these have returned the newer record to a call before the older reply arrives.
const NEWER: Record<string, (one: ReturnType<typeof l1>) => void> = {
  'that is kept': ({ cache, record }) => cache.keep('key', record('new'), cache.sequence),
  'that is evicted': ({ cache, record }) => {
    cache.keep('key', record('new'), cache.sequence);
    cache.keep('other', record('other'), cache.sequence);
    assertEvicted(cache);
  },
  'whose ttl has passed': ({ cache, record }) =>
    cache.keep('key', { ...record('new'), expiresAt: 0 }, cache.sequence),
  'of another clear nonce': ({ cache, record }) => {
    const since = cache.sequence;
    cache.keep('other', record('other', { clearNonce: 'another' }), since);
    cache.keep('key', record('new'), since);
  },
  'that the L1 does not keep': ({ cache }) => cache.observe('key', 'token of new'),
};

function assertEvicted(cache: L1Cache): void {
  assert.equal(cache.find('key', Infinity), undefined);
}

for (const [which, newer] of Object.entries(NEWER)) {
  test(`G4 monotonic reads: a reply that was requested earlier is not kept after a newer one ${which}`, async (t) => {
    const one = l1({ maxEntries: 1 });
    const earlier = one.cache.sequence;
    newer(one);
    one.cache.keep('key', one.record('old'), earlier);
    t.not(await one.found('key'), 'old');
  });
}

test('G4 monotonic reads: a record that may not be kept ends another one of its key', async (t) => {
  const { cache, record, found } = l1();
  const earlier = cache.sequence;
  cache.supersede('key');
  cache.keep('key', record('one'), cache.sequence);
  cache.keep('key', record('other'), earlier);
  t.is(await found('key'), undefined);
  cache.keep('key', record('one'), cache.sequence);
  cache.keep('key', record('one'), earlier);
  t.is(await found('key'), 'one');
});

test('a remembered key does not lead to an entry that has left the memory, and keeps none', async (t) => {
  const leave: Record<string, (cache: L1Cache, record: (value: unknown) => L1Record) => void> = {
    invalidated: (cache) => cache.invalidate({ keys: ['key'], tags: [], all: false }),
    'invalidated with all': (cache) => cache.invalidate({ keys: [], tags: [], all: true }),
    'replaced by a newer one': (cache, record) => cache.keep('key', record('new'), cache.sequence),
    'evicted by another one': (cache, record) => cache.keep('other', record('b'), cache.sequence),
    'ended with the memory': (cache) => cache.close(),
  };
  for (const [how, end] of Object.entries(leave)) {
    const { cache, record, found, remembered } = l1({ maxEntries: 1 });
    cache.keep('key', record('old'), cache.sequence);
    t.is(await found('key'), 'old');
    const entry = remembered('key').found;
    t.not(entry, undefined);
    end(cache, record);
    t.not(remembered('key').found, entry, how);
    t.not(await found('key'), 'old', how);
  }
});

test('a remembered key of two memories finds the entry of each', async (t) => {
  const one = l1();
  const other = l1();
  const key = new RememberedKey('key');
  one.cache.keep('key', one.record('one'), one.cache.sequence);
  other.cache.keep('key', other.record('other'), other.cache.sequence);
  for (let round = 0; round < 2; round++) {
    t.is(await one.cache.findRemembered(key, Infinity)?.read(), 'one');
    t.is(await other.cache.findRemembered(key, Infinity)?.read(), 'other');
  }
  other.cache.invalidate({ keys: ['key'], tags: [], all: false });
  t.is(other.cache.findRemembered(key, Infinity), undefined);
  t.is(await one.cache.findRemembered(key, Infinity)?.read(), 'one');
});

test('a call that may not use the memory does not use it by a remembered key', async (t) => {
  const { cache, record, found, remembered } = l1();
  cache.keep('key', record('value'), cache.sequence);
  t.is(await found('key'), 'value');
  t.is(cache.findRemembered(remembered('key'), 0), undefined);
});

test('of two nonces of a tag, each of which may be the newer one, none counts', async (t) => {
  const { cache, record, found } = l1();
  const since = cache.sequence;
  cache.keep('one', record(1, { tags: [{ tag: 'org', nonce: 'a' }] }), since);
  cache.keep('other', record(2, { tags: [{ tag: 'org', nonce: 'b' }] }), since);
  t.is(await found('one'), undefined);
  t.is(await found('other'), undefined);
  cache.keep('other', record(3, { tags: [{ tag: 'org', nonce: 'b' }] }), cache.sequence);
  t.is(await found('one'), undefined);
  t.is(await found('other'), 3);
});

test('a newer nonce ends the entries with the older one', async (t) => {
  const { cache, record, found } = l1();
  cache.keep('one', record(1, { tags: [{ tag: 'org', nonce: 'a' }] }), cache.sequence);
  t.is(await found('one'), 1);
  cache.keep('other', record(2, { tags: [{ tag: 'org', nonce: 'b' }] }), cache.sequence);
  t.is(await found('one'), undefined);
  t.is(await found('other'), 2);
});

test('a nonce that has not changed after all makes its entries count again', async (t) => {
  const { cache, names, record, found } = l1();
  const tags = [{ tag: 'org', nonce: 'a' }];
  cache.keep('one', record(1, { tags }), cache.sequence);
  cache.changed([...names.tags(['org']), names.clear]);
  t.is(await found('one'), undefined);
  cache.keep('other', record(2, { tags }), cache.sequence);
  t.is(await found('one'), 1);
});

test('an entry is not returned while the nonce of the namespace may have changed', async (t) => {
  const { cache, names, record, found } = l1();
  cache.keep('one', record(1), cache.sequence);
  cache.changed([names.clear]);
  t.is(await found('one'), undefined);
  cache.keep('other', record(2, { clearNonce: 'newer' }), cache.sequence);
  t.is(await found('one'), undefined);
  t.is(await found('other'), 2);
});

test('entries are returned while no heartbeat is missing', async (t) => {
  const { clock, cache, record, found } = l1();
  cache.interrupted();
  cache.keep('key', record(1), cache.sequence);
  t.is(await found('key'), undefined);
  cache.confirmed(clock.now());
  t.is(await found('key'), 1);
  await clock.advance(TRUST_MS - 1);
  t.is(await found('key'), 1);
  await clock.advance(1);
  t.is(await found('key'), undefined);
  cache.confirmed(clock.now() - 1);
  t.is(await found('key'), 1);
});

test('explain says why an entry is not returned, and changes nothing', async (t) => {
  const { clock, cache, record, found } = l1({ ttl: 10_000 });
  const tags = [{ tag: 'tag', nonce: 'nonce' }];
  cache.interrupted();
  t.is(cache.explain('key', [], Infinity), 'it does not have the value');
  cache.keep('key', record(1, { tags }), cache.sequence);
  t.is(cache.explain('key', [], Infinity), 'no message has confirmed yet that it has missed no change');
  cache.confirmed(clock.now());
  t.is(cache.explain('key', ['tag'], Infinity), undefined);
  t.is(cache.explain('key', ['other'], Infinity), 'its value does not have a tag of the call');
  t.is(cache.explain('key', [], 0), 'l1 of the call is false');
  await clock.advance(TRUST_MS + 500);
  t.is(
    cache.explain('key', [], Infinity),
    'no message has confirmed for 1500 ms that it has missed no change',
  );
  cache.confirmed(Infinity);
  t.is(
    cache.explain('key', [], 1_500),
    'it has had the value for 1500 ms, and l1.ttl of the call is 1500 ms',
  );
  t.is(await found('key'), 1);
  cache.invalidate({ keys: [], tags: ['tag'], all: false });
  t.is(cache.explain('key', [], Infinity), 'one of its tags or the namespace was invalidated');
  await clock.advance(10_000);
  t.is(cache.explain('key', [], Infinity), 'it does not have the value');
  const { cache: asking, record: another } = l1({ coherence: 'validate' });
  asking.keep('key', another(1), asking.sequence);
  t.is(asking.explain('key', [], Infinity), "coherence: 'validate' asks the store in every call");
});

test('an interruption ends all entries, and what was requested before it', async (t) => {
  const { cache, record, found } = l1();
  const since = cache.sequence;
  cache.keep('key', record(1), since);
  cache.interrupted();
  cache.confirmed(Infinity);
  t.is(await found('key'), undefined);
  cache.keep('key', record(1), since);
  t.is(await found('key'), undefined);
});

test('a message about the keys of others changes nothing', async (t) => {
  const { cache, record, found } = l1();
  cache.keep('key', record(1), cache.sequence);
  cache.changed(['test:lock:{key}', 'other:cache:key', 'test:tag-changes:{test}', 'test:cache:key:more', '']);
  t.is(await found('key'), 1);
});

test('after close nothing is kept', async (t) => {
  const { cache, record, found } = l1();
  cache.close();
  cache.confirmed(Infinity);
  cache.keep('key', record(1), cache.sequence);
  t.is(await found('key'), undefined);
});

test('the tags of entries that are dropped are forgotten', (t) => {
  const { cache, record } = l1({ maxEntries: 2 });
  for (let i = 0; i < 50; i++) {
    cache.keep(
      `key ${i}`,
      record(i, {
        tags: [
          { tag: `org ${i}`, nonce: 'a' },
          { tag: 'all', nonce: 'b' },
        ],
      }),
      cache.sequence,
    );
  }
  t.true(cache.size.entries <= 2);
  t.true(cache.size.tags <= 3, String(cache.size.tags));
  cache.invalidate({ keys: Array.from({ length: 50 }, (_, i) => `key ${i}`), tags: [], all: false });
  t.deepEqual(cache.size, { entries: 0, bytes: 0, tags: 0 });
});

test('entries are bounded by bytes, and one that is larger than all is not kept', async (t) => {
  const { cache, record, found } = l1({ maxBytes: 10_000 });
  for (let i = 0; i < 100; i++) cache.keep(`key ${i}`, record('x'.repeat(500)), cache.sequence);
  t.true(cache.size.bytes <= 10_000);
  cache.keep('large', record('x'.repeat(10_000)), cache.sequence);
  t.is(await found('large'), undefined);
});

test('the tags of an entry count towards maxBytes, and a value that is not decoded counts once', (t) => {
  const bytesOf = (settings: Partial<L1Settings>, tags: TagVersion[] = []): number => {
    const { cache, record } = l1(settings);
    cache.keep('key', record('x'.repeat(10_000), { tags }), cache.sequence);
    return cache.size.bytes;
  };
  const tags = ['org', 'user'].map((tag) => ({ tag, nonce: 'a' }));
  t.true(bytesOf({}, tags) >= bytesOf({}) + 2 * 250);
  t.true(bytesOf({}) > 20_000);
  t.true(bytesOf({ values: 'cloned' }) < 11_000);
});

test('a kept payload is a copy: the reply of the store is not kept in memory as a whole', async (t) => {
  const { cache, record, found } = l1({ values: 'cloned' });
  const reply = Buffer.alloc(1_000_000);
  const one = record({ id: 1 });
  const payload = reply.subarray(0, one.entry.payload.length);
  one.entry.payload.copy(payload);
  cache.keep('key', { ...one, entry: { ...one.entry, payload } }, cache.sequence);
  reply.fill(0);
  t.deepEqual(await found('key'), { id: 1 });
});

test('G2 bounded staleness: a computation between two calls of one tick takes time, too', async (t) => {
  const { cache, record, found } = l1With(systemClock, {});
  cache.interrupted();
  cache.keep('key', record('value'), cache.sequence);
  const trustedMs = 300;
  cache.confirmed(systemClock.now() + trustedMs - TRUST_MS);
  t.is(await found('key'), 'value');
  // Messages are late as long as the process is busy.
  const until = systemClock.now() + trustedMs;
  while (systemClock.now() < until);
  t.is(await found('key'), undefined);
});
