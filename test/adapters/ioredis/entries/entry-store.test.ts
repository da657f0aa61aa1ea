import test, { type ExecutionContext } from 'ava';
import type { Redis } from 'ioredis';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../../src/core/caching.js';
import { clearKey, entryKey, tagKey } from '../../../../src/core/keys/store-keys.js';
import { encodeLease, WIRE_VERSION } from '../../../../src/core/ports/entry-format.js';
import {
  TAG_CHANGE_BYTES,
  TAG_CHANGES_IDENTITY,
  TAG_CHANGES_LENGTH,
} from '../../../../src/core/ports/tag-changes.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { eventually } from '../../../support/eventually.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../../../support/servers.js';
import { MAJORS, ready, store, valueOf, type Rig, type Target } from '../rig.js';
import { LATER } from '../../../support/later.js';

let server: RedisServer;
let cluster: RedisCluster;

test.before(async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster(3)]);
});
test.after.always(async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

/** What is asked of Redis past the adapter. */
type Side = Pick<
  Redis,
  'getBuffer' | 'set' | 'pttl' | 'pexpire' | 'rpush' | 'lrange' | 'exists' | 'persist' | 'type'
>;

interface Setup {
  readonly name: string;
  target(t: ExecutionContext): Target;
  side(t: ExecutionContext): Side;
}

const SETUPS: readonly Setup[] = [
  {
    name: 'one server by URL',
    target: () => server.url,
    side: (t) => single(t, MAJORS[0].Redis),
  },
  ...MAJORS.flatMap(({ major, Redis, Cluster }): Setup[] => {
    const many = (t: ExecutionContext): InstanceType<typeof Cluster> => {
      const client = new Cluster([...cluster.nodes]);
      t.teardown(() => client.disconnect());
      return client;
    };
    return [
      {
        name: `a client of ioredis ${major}`,
        target: (t) => single(t, Redis),
        side: (t) => single(t, Redis),
      },
      { name: `a Cluster client of ioredis ${major}`, target: many, side: many },
    ];
  }),
];

function single(t: ExecutionContext, Class: (typeof MAJORS)[number]['Redis']): Redis {
  const client = new Class(server.url);
  t.teardown(() => client.disconnect());
  return client;
}

/** One test for each set-up. */
function on(title: string, run: (t: ExecutionContext, rig: Rig, side: Side) => Promise<void>): void {
  for (const setup of SETUPS) {
    test.serial(`${title} (${setup.name})`, async (t) => {
      // Deadlines are not what these tests are about, and the machine may be busy.
      await run(t, await ready(t, setup.target(t)), setup.side(t));
    });
  }
}

on('missing entries and nonces read as null', async (t, { entries, entry, clear, tag }) => {
  t.deepEqual(await entries.read(entry('a'), [clear, tag('x')]), { record: null, nonces: [null, null] });
  t.deepEqual(await entries.nonces([tag('x')]), [null]);
  t.deepEqual(await entries.nonces([]), []);
});

on('a stored value reads back byte for byte', async (t, { entries, entry, clear }) => {
  const key = entry('a');
  const token = newToken();
  await entries.lease(key, token, 10_000, undefined);
  const record = valueOf(token, '\u00ff\u0000é☃');
  t.is(await entries.fill(key, token, record, LATER), 'stored');
  const { record: found } = await entries.read(key, [clear]);
  t.true(record.equals(found!));
});

on(
  'a lease is granted with the time of the server, and to the same token again',
  async (t, { entries, entry }, side) => {
    const token = newToken();
    const before = Date.now();
    const first = await entries.lease(entry('a'), token, 60_000, undefined);
    t.is(first.status, 'granted');
    if (first.status !== 'granted') return;
    t.true(first.storeTime >= before - 1 && first.storeTime <= Date.now() + 1);
    t.deepEqual(await side.getBuffer(entry('a')), encodeLease(token));
    t.is((await entries.lease(entry('a'), token, 90_000, undefined)).status, 'granted');
    t.true((await side.pttl(entry('a'))) > 60_000);
  },
);

on('a denied lease returns the time that is left', async (t, { entries, entry }) => {
  await entries.lease(entry('a'), newToken(), 60_000, undefined);
  const reply = await entries.lease(entry('a'), newToken(), 90_000, undefined);
  t.is(reply.status, 'held');
  if (reply.status !== 'held') return;
  t.true(reply.forMs > 0 && reply.forMs <= 60_000);
  t.true(Math.abs(reply.storeTime - Date.now()) < 1_000);
});

on('E-TC4 a lease key without a TTL gets one', async (t, { entries, entry }, side) => {
  await entries.lease(entry('a'), newToken(), 60_000, undefined);
  await side.persist(entry('a'));
  const reply = await entries.lease(entry('a'), newToken(), 7_000, undefined);
  t.deepEqual(reply.status === 'held' && reply.forMs, 7_000);
  t.true((await side.pttl(entry('a'))) > 0);
});

on('a value denies a lease that does not replace it', async (t, { entries, entry }) => {
  const record = await store(entries, entry('a'));
  const reply = await entries.lease(entry('a'), newToken(), 60_000, newToken());
  t.true(reply.status === 'present' && record.equals(reply.record));
});

on('a lease replaces the value whose token it names', async (t, { entries, entry }, side) => {
  const record = await store(entries, entry('a'));
  const token = newToken();
  const reply = await entries.lease(entry('a'), token, 60_000, record.toString('latin1', 4, 20));
  t.is(reply.status, 'granted');
  t.deepEqual(await side.getBuffer(entry('a')), encodeLease(token));
});

on('a lease that replaces anything replaces values and leases', async (t, { entries, entry }) => {
  await store(entries, entry('a'));
  const token = newToken();
  t.is((await entries.lease(entry('a'), token, 60_000, '*')).status, 'granted');
  t.is((await entries.lease(entry('a'), newToken(), 60_000, '*')).status, 'granted');
  t.is(await entries.fill(entry('a'), token, valueOf(token), LATER), 'refused', 'it was taken over');
});

on('a lease overwrites bytes that are not a record of this version', async (t, { entries, entry }, side) => {
  const others = [
    Buffer.from('text'),
    Buffer.alloc(0),
    Buffer.from([0xce]),
    Buffer.concat([Buffer.from([0xce, WIRE_VERSION + 1, 2, 0]), Buffer.from(newToken())]),
    Buffer.concat([Buffer.from([0xce, WIRE_VERSION, 0, 0]), Buffer.from(newToken())]),
    Buffer.concat([
      Buffer.from([0xce, WIRE_VERSION, 2, 0]),
      Buffer.from(newToken()),
      Buffer.from('more than a lease'),
    ]),
  ];
  for (const [i, bytes] of others.entries()) {
    await side.set(entry(`a${i}`), bytes);
    t.is(
      (await entries.lease(entry(`a${i}`), newToken(), 60_000, undefined)).status,
      'granted',
      `bytes ${i}`,
    );
  }
});

on('a key of another type is foreign, and no verb deletes it', async (t, { entries, entry, clear }, side) => {
  const key = entry('list');
  await side.rpush(key, 'theirs');
  const token = newToken();
  t.deepEqual(await entries.lease(key, token, 60_000, '*'), { status: 'foreign' });
  t.deepEqual(await entries.read(key, [clear]), { record: null, nonces: [null] });
  t.false(await entries.extend(key, token, 60_000));
  t.is(await entries.fill(key, token, valueOf(token), LATER), 'refused');
  t.false(await entries.release(key, token));
  await entries.remove([key, entry('other')]);
  t.deepEqual(await side.lrange(key, 0, -1), ['theirs']);
});

on('extend moves the end of the own lease only', async (t, { entries, entry }, side) => {
  const token = newToken();
  await entries.lease(entry('a'), token, 60_000, undefined);
  t.true(await entries.extend(entry('a'), token, 600_000));
  t.true((await side.pttl(entry('a'))) > 500_000);
  t.false(await entries.extend(entry('a'), newToken(), 60_000));
  t.false(await entries.extend(entry('none'), token, 60_000));
  await entries.fill(entry('a'), token, valueOf(token), LATER);
  t.false(await entries.extend(entry('a'), token, 900_000), 'a value is not extended');
});

on(
  'G1 no resurrection: a fill needs its own lease, and may be repeated',
  async (t, { entries, entry }, side) => {
    const token = newToken();
    t.is(await entries.fill(entry('a'), token, valueOf(token), LATER), 'refused', 'no lease');
    await entries.lease(entry('a'), newToken(), 60_000, undefined);
    t.is(await entries.fill(entry('a'), token, valueOf(token), LATER), 'refused', "another's lease");
    await entries.lease(entry('b'), token, 60_000, undefined);
    const until = Date.now() + 300_000;
    t.is(await entries.fill(entry('b'), token, valueOf(token), until), 'stored');
    t.is(
      await entries.fill(entry('b'), token, valueOf(token), until),
      'stored',
      'its reply may have been lost',
    );
    t.true((await side.pttl(entry('b'))) > 200_000, 'the life of the value, not of the lease');
  },
);

on('G1 no resurrection: a fill after a removal is refused', async (t, { entries, entry, clear }) => {
  const token = newToken();
  await entries.lease(entry('a'), token, 60_000, undefined);
  await entries.remove([entry('a')]);
  t.is(await entries.fill(entry('a'), token, valueOf(token), LATER), 'refused');
  t.is((await entries.read(entry('a'), [clear])).record, null);
});

on('release removes the own lease only', async (t, { entries, entry }, side) => {
  const token = newToken();
  await entries.lease(entry('a'), token, 60_000, undefined);
  t.false(await entries.release(entry('a'), newToken()));
  t.true(await entries.release(entry('a'), token));
  t.is(await side.exists(entry('a')), 0);
  t.false(await entries.release(entry('a'), token));
  await store(entries, entry('b'));
  t.false(await entries.release(entry('b'), token), 'a value is not released');
});

on('remove deletes any number of values, leases and foreign bytes', async (t, { entries, entry }, side) => {
  const keys = Array.from({ length: 700 }, (_, i) => entry(`many-${i}`));
  await Promise.all(keys.slice(0, 690).map((key) => store(entries, key)));
  await entries.lease(keys[690]!, newToken(), 60_000, undefined);
  await side.set(keys[691]!, 'text');
  await entries.remove(keys);
  const snapshots = await Promise.all(keys.map((key) => entries.read(key, [])));
  t.true(snapshots.every(({ record }) => record === null));
  await t.notThrowsAsync(entries.remove([]));
});

on(
  'a fill, a release and a removal of a lease publish its wakeup',
  async (t, { entries, entry, woken, listening }) => {
    const ends: Record<string, (key: string, token: string) => Promise<unknown>> = {
      fill: (key, token) => entries.fill(key, token, valueOf(token), LATER),
      release: (key, token) => entries.release(key, token),
      remove: (key) => entries.remove([key]),
      // Taken over: the next end wakes them.
      takeover: async (key) => {
        const next = newToken();
        await entries.lease(key, next, 60_000, '*');
        await entries.release(key, next);
      },
      again: async (key, token) => {
        await entries.lease(key, token, 60_000, undefined);
        await entries.release(key, token);
      },
    };
    await listening(...Object.keys(ends).map(entry));
    for (const [name, end] of Object.entries(ends)) {
      const token = newToken();
      await entries.lease(entry(name), token, 60_000, undefined);
      t.is((await entries.lease(entry(name), newToken(), 60_000, undefined)).status, 'held');
      await end(entry(name), token);
      await eventually(`${name} wakes`, () => woken.includes(entry(name)));
    }
  },
);

on('a lease without waiters publishes no wakeup', async (t, { entries, entry, woken, listening }) => {
  await listening(entry('quiet'), entry('loud'));
  const token = newToken();
  await entries.lease(entry('quiet'), token, 60_000, undefined);
  await entries.fill(entry('quiet'), token, valueOf(token), LATER);
  await entries.lease(entry('loud'), token, 60_000, undefined);
  await entries.lease(entry('loud'), newToken(), 60_000, undefined);
  await entries.release(entry('loud'), token);
  await eventually('the later one wakes', () => woken.includes(entry('loud')));
  t.deepEqual(woken, [entry('loud')]);
});

on(
  'getOrCreateNonces sets the fresh nonce for missing ones and keeps the others',
  async (t, { entries, tag, clear }) => {
    const [first, second] = [newToken(), newToken()];
    t.deepEqual((await entries.getOrCreateNonces([tag('a')], undefined, first, 60_000)).nonces, [first]);
    const tagState = await entries.getOrCreateNonces([clear, tag('a')], undefined, second, 60_000);
    t.deepEqual(tagState.nonces, [second, first]);
    t.is(tagState.tagChanges.length, 0);
    t.deepEqual(await entries.nonces([clear, tag('a'), tag('b')]), [second, first, null]);
    t.deepEqual((await entries.getOrCreateNonces([], undefined, first, 60_000)).nonces, []);
  },
);

on(
  'getOrCreateNonces extends the TTL of nonces, never shortens or removes it',
  async (t, { entries, tag }, side) => {
    await entries.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000);
    await entries.getOrCreateNonces([tag('a')], undefined, newToken(), 1_000);
    t.true((await side.pttl(tag('a'))) > 50_000);
    await entries.getOrCreateNonces([tag('a')], undefined, newToken(), 90_000);
    t.true((await side.pttl(tag('a'))) > 80_000);
    await side.persist(tag('a'));
    await entries.getOrCreateNonces([tag('a')], undefined, newToken(), 1_000);
    const left = await side.pttl(tag('a'));
    t.true(left > 0 && left <= 1_000);
  },
);

on(
  'getOrCreateNonces replaces values that are not nonces or tag changes',
  async (t, { entries, tag, tagChanges }, side) => {
    const fresh = newToken();
    await side.rpush(tag('list'), 'x');
    await side.set(tag('text'), 'too short');
    await side.set(tagChanges, 'too short');
    const tagState = await entries.getOrCreateNonces([tag('list'), tag('text')], tagChanges, fresh, 60_000);
    t.deepEqual(tagState.nonces, [fresh, fresh]);
    t.is(tagState.tagChanges.length, TAG_CHANGES_LENGTH);
    t.is(await side.type(tag('list')), 'string');
  },
);

on(
  'the tag changes start as the fresh nonce and zeros, and stay',
  async (t, { entries, tagChanges, clear }, side) => {
    const fresh = newToken();
    const first = await entries.getOrCreateNonces([clear], tagChanges, fresh, 60_000);
    const expected = Buffer.alloc(TAG_CHANGES_LENGTH);
    expected.write(fresh, 'latin1');
    t.deepEqual(Buffer.from(first.tagChanges), expected);
    const second = await entries.getOrCreateNonces([clear], tagChanges, newToken(), 60_000);
    t.deepEqual(Buffer.from(second.tagChanges), expected);
    const left = await side.pttl(tagChanges);
    t.true(left > 50_000 && left <= 60_000);
  },
);

on(
  'removeNonces marks their buckets in the tag changes',
  async (t, { entries, tagChanges, tag, clear }, side) => {
    await entries.getOrCreateNonces([clear, tag('a'), tag('b')], tagChanges, newToken(), 60_000);
    const fresh = newToken();
    await entries.removeNonces([tag('a')], tagChanges, [0, 255], fresh);
    const nonces = await entries.nonces([clear, tag('a'), tag('b')]);
    t.deepEqual(
      nonces.map((nonce) => nonce === null),
      [false, true, false],
    );
    const bytes = (await side.getBuffer(tagChanges))!;
    t.is(bytes.length, TAG_CHANGES_LENGTH);
    const bucket = (i: number): string =>
      bytes.toString(
        'latin1',
        TAG_CHANGES_IDENTITY + TAG_CHANGE_BYTES * i,
        TAG_CHANGES_IDENTITY + TAG_CHANGE_BYTES * (i + 1),
      );
    t.is(bucket(0), fresh.slice(0, TAG_CHANGE_BYTES));
    t.is(bucket(255), fresh.slice(0, TAG_CHANGE_BYTES));
    t.is(bucket(1), '\0'.repeat(TAG_CHANGE_BYTES));
    t.true((await side.pttl(tagChanges)) > 0, 'they keep their end');
  },
);

on(
  'removeNonces creates no tag changes, and removes invalid ones',
  async (t, { entries, tagChanges, tag }, side) => {
    await entries.removeNonces([tag('a')], tagChanges, [3], newToken());
    t.is(await side.exists(tagChanges), 0);
    await side.set(tagChanges, 'too short');
    await entries.removeNonces([tag('a')], tagChanges, [3], newToken());
    t.is(await side.exists(tagChanges), 0);
    await side.rpush(tagChanges, 'x');
    await entries.removeNonces([tag('a')], tagChanges, [3], newToken());
    t.is(await side.exists(tagChanges), 0);
  },
);

for (const { name, target, side } of SETUPS) {
  test(`${name}: the nonces of an entry live as long as the ttl that its value decides`, async (t) => {
    const namespace = `result-ttl-${process.pid}-${name.replaceAll(' ', '-')}`;
    const caching = new Caching({
      adapter: ioredis(target(t), { timeout: '20s', connectTimeout: '20s' }),
      namespace,
      defaults: { jitter: 0, storeTimeout: '20s' },
    });
    t.teardown(() => caching.close());
    await caching.ready();
    const options = { ttl: () => '2h' as const, tags: () => ['of-result'], sharedTags: ['shared'] };
    await caching.cache.getOrSet('key', async () => 1, options);
    const client = side(t);
    const lives = [clearKey(namespace), tagKey(namespace, 'of-result'), tagKey(namespace, 'shared')];
    const entry = await client.pttl(entryKey(namespace, 'key'));
    t.true(entry > 3_600_000 && entry <= 7_200_000, `${entry}`);
    for (const key of lives) t.true((await client.pttl(key)) > entry, key);
    t.is(await caching.cache.get('key'), 1);
  });
}

for (const { name, target, side } of SETUPS) {
  test(`idleTtl: the key of an entry ends with its idle time, and a read moves that (${name})`, async (t) => {
    const namespace = `idle-${newToken()}`;
    const caching = new Caching({
      adapter: ioredis(target(t), { timeout: '20s', connectTimeout: '20s' }),
      namespace,
      defaults: { jitter: 0, storeTimeout: '20s' },
    });
    t.teardown(() => caching.close());
    await caching.ready();
    const client = side(t);
    const left = (key: string): Promise<number> => client.pttl(entryKey(namespace, key));
    for (const grace of [0, '1h'] as const) {
      const key = `key-${grace}`;
      await caching.cache.set(key, 1, { ttl: '2h', idleTtl: '30m', grace });
      const stored = await left(key);
      t.true(stored > 1_700_000 && stored < 1_820_000, `${stored}`);
      // As if most of the idle time had passed.
      await client.pexpire(entryKey(namespace, key), 120_000);
      t.is(await caching.cache.get(key), 1);
      await eventually(`${key} is touched`, async () => (await left(key)) > 1_700_000);
      t.true((await left(key)) <= 1_800_000);
    }
  });
}
