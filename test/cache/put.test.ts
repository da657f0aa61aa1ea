import { randomBytes } from 'node:crypto';
import test from 'ava';
import { withRequestMemo } from '../../src/core/cache/request-memo.js';
import { currentLoad } from '../../src/core/cache/load-context.js';
import {
  InvalidationError,
  KeyError,
  OptionsError,
  StoreUnavailableError,
  ValueError,
} from '../../src/core/shared/errors.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

const DOWN = new Error('The database is down.');
const notCalled = async (): Promise<number> => {
  throw new Error('The loader was called.');
};

/** A write that commits at once, and returns what it has written when the test decides. */
function heldWrite(row: Row): Pick<HeldLoad, 'run' | 'entered' | 'finish'> {
  const held = new HeldLoad(row);
  return {
    run: async () => {
      row.write();
      return held.run();
    },
    entered: held.entered,
    finish: () => held.finish(),
  };
}

for (const l1 of [false, true]) {
  const where = l1 ? 'with an L1' : 'without an L1';

  test(`a put is what the next call of every process returns, without a load (${where})`, async (t) => {
    const { openers } = rig(t, 2, { l1 });
    const [here, there] = openers;
    const row = new Row();
    for (const { cache } of openers) t.is(await cache.getOrSet('key', row.load), 1);
    t.is(await here!.cache.put('key', async () => row.write()), 2);
    for (const { cache } of openers) t.is(await cache.getOrSet('key', notCalled), 2);
    t.is(await there!.cache.put('new', () => 7), 7);
    for (const { cache } of openers) t.is(await cache.getOrSet('new', notCalled), 7);
  });

  test(`G2 while a put runs, the value of before is returned, and after it by no process (${where})`, async (t) => {
    const { openers } = rig(t, 2, { l1 });
    const [here, there] = openers;
    const row = new Row();
    for (const { cache } of openers) await cache.getOrSet('key', row.load);
    const held = new HeldLoad(row);
    row.write();
    const put = here!.cache.put('key', held.run);
    await held.entered;
    for (const { cache } of openers) t.is(await cache.getOrSet('key', notCalled), 1);
    held.finish();
    t.is(await put, 2);
    for (const { cache } of [there!, here!]) t.is(await cache.getOrSet('key', notCalled), 2);
  });

  test(`G1 a load that started before the end of a put is not stored, in this process and in others (${where})`, async (t) => {
    for (const reader of [0, 1]) {
      const { openers } = rig(t, 2, { l1 });
      const row = new Row();
      const old = new HeldLoad(row);
      const reading = openers[reader]!.cache.getOrSet('key', old.run);
      await old.entered;
      t.is(await openers[0]!.cache.put('key', async () => row.write()), 2);
      // A call that starts now does not join the older load.
      t.is(await openers[0]!.cache.getOrSet('key', notCalled), 2);
      old.finish();
      await reading;
      for (const { cache } of openers) t.is(await cache.getOrSet('key', notCalled), 2);
    }
  });

  for (const { by, target } of TARGETS) {
    test(`G1 an invalidation by ${by} during a put wins (${where})`, async (t) => {
      for (const writer of [0, 1]) {
        const { openers } = rig(t, 2, { l1 });
        const row = new Row();
        const held = new HeldLoad(row);
        const put = openers[0]!.cache.put('key', held.run, { tags: ['org'] });
        await held.entered;
        row.write();
        await openers[writer]!.cache.invalidate(target);
        held.finish();
        t.is(await put, 1);
        const options = { tags: ['org'] };
        for (const { cache } of openers) t.is(await cache.getOrSet('key', row.load, options), 2);
      }
    });
  }
}

/** The orders in which two writes can end that run at the same time. */
const ORDERS = [
  { title: 'in the order of their starts', first: 0 },
  { title: 'in the other order', first: 1 },
] as const;

for (const { title, first } of ORDERS) {
  for (const processes of [1, 2]) {
    test(`G11 two puts at the same time, which end ${title}: the older value does not stay (${processes} processes)`, async (t) => {
      const { openers } = rig(t, processes);
      const caches = [openers[0]!.cache, openers[processes - 1]!.cache];
      const row = new Row();
      await caches[0]!.getOrSet('key', row.load);
      // Each commits, and returns what it has written; the second one commits last.
      const writes = [heldWrite(row), heldWrite(row)];
      const puts: Promise<number>[] = [];
      for (const i of [0, 1]) {
        puts.push(caches[i]!.put('key', writes[i]!.run));
        await writes[i]!.entered;
      }
      writes[first]!.finish();
      await puts[first];
      writes[1 - first]!.finish();
      t.deepEqual(await Promise.all(puts), [2, 3]);
      for (const cache of caches) t.is(await cache.getOrSet('key', row.load), 3);
    });
  }

  test(`G11 the same with set, which end ${title}: the one that ends last stays, also if it is the older one`, async (t) => {
    const { cache } = rig(t).openers[0]!;
    const row = new Row();
    const writes = [heldWrite(row), heldWrite(row)];
    const set = async ({ run }: Pick<HeldLoad, 'run'>): Promise<void> => {
      await cache.set('key', await run());
    };
    const sets: Promise<void>[] = [];
    for (const i of [0, 1]) {
      sets.push(set(writes[i]!));
      await writes[i]!.entered;
    }
    writes[first]!.finish();
    await sets[first];
    writes[1 - first]!.finish();
    await Promise.all(sets);
    t.is(await cache.get('key'), first === 0 ? 3 : 2);
  });
}

test('calls of a key without a value wait for its put, and start no load', async (t) => {
  const { openers } = rig(t, 2);
  const held = new HeldLoad(new Row());
  const put = openers[0]!.cache.put('key', held.run);
  await held.entered;
  const reads = openers.map(({ cache }) => cache.getOrSet('key', notCalled));
  await settled();
  held.finish();
  t.deepEqual(await Promise.all([put, ...reads]), [1, 1, 1]);
});

test('a write that fails changes nothing, and its lease blocks nobody', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const fails = async (): Promise<number> => {
    throw DOWN;
  };
  await here!.cache.getOrSet('key', () => 1);
  await t.throwsAsync(here!.cache.put('key', fails), { is: DOWN });
  t.is(await there!.cache.getOrSet('key', notCalled), 1);
  await t.throwsAsync(here!.cache.put('cold', fails), { is: DOWN });
  t.is(await there!.cache.getOrSet('cold', () => 5), 5);
  t.is(await here!.cache.getOrSet('cold', notCalled), 5);
});

test('a write that takes long keeps its lease', async (t) => {
  const { openers, clock } = rig(t, 2);
  const options = { lease: '1s', ttl: '10m', loadTimeout: '10m', lockTimeout: '10m' } as const;
  const held = new HeldLoad(new Row());
  const put = openers[0]!.cache.put('key', held.run, options);
  await held.entered;
  await clock.advance(10_000);
  const reading = openers[1]!.cache.getOrSet('key', notCalled, options);
  await settled();
  held.finish();
  t.deepEqual(await Promise.all([put, reading]), [1, 1]);
});

test('a cached call of the same key within the write reads what is there now: it does not wait for the write', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const row = new Row();
  const put = await cache.put('key', async () => {
    t.is(currentLoad(), undefined);
    const before = await cache.getOrSet('key', row.load);
    return before + row.write();
  });
  t.is(put, 3);
  t.is(await cache.getOrSet('key', notCalled), 3);
  t.deepEqual(of('error'), []);
});

test('the ttl counts from the start of the write; tags of the result end the entry', async (t) => {
  const { openers, clock } = rig(t);
  const { cache } = openers[0]!;
  const options = { ttl: '10s', tags: (value: number) => [`value:${value}`] } as const;
  await cache.put(
    'key',
    async () => {
      await clock.advance(4_000);
      return 1;
    },
    options,
  );
  await clock.advance(5_999);
  t.is(await cache.get('key'), 1);
  await clock.advance(2);
  t.is(await cache.get('key'), undefined);
  await cache.put('key', () => 2, options);
  await cache.invalidate({ tags: ['value:1'] });
  t.is(await cache.get('key'), 2);
  await cache.invalidate({ tags: ['value:2'] });
  t.is(await cache.get('key'), undefined);
});

test('a result that is not stored ends the entry: unless, a ttl of 0, too large, unsupported', async (t) => {
  const { cache } = rig(t).openers[0]!;
  const large = 'x'.repeat(1_000);
  const puts: (() => Promise<unknown>)[] = [
    () => cache.put('key', () => 2, { unless: () => true }),
    () => cache.put('key', () => null, { negativeTtl: 0 }),
    () => cache.put('key', () => large, { maxValueBytes: 100 }),
    () => cache.put<unknown>('key', () => new Row(), { onUnsupported: 'bypass' }),
  ];
  for (const put of puts) {
    await cache.getOrSet('key', () => 1);
    await put();
    t.is(await cache.get('key'), undefined);
  }
});

test('a result that cannot be stored ends the entry, and is in the error', async (t) => {
  const { cache } = rig(t).openers[0]!;
  const wrong = new Error('no org');
  const row = new Row();
  const puts = [
    { put: () => cache.put<unknown>('key', () => row), result: row, cause: ValueError },
    {
      put: () =>
        cache.put('key', () => 2, {
          tags: () => {
            throw wrong;
          },
        }),
      result: 2,
      cause: Error,
    },
  ];
  for (const { put, result, cause } of puts) {
    await cache.getOrSet('key', () => 1);
    const error = await t.throwsAsync(put, { instanceOf: InvalidationError });
    t.is(error!.result, result);
    t.true(error!.cause instanceof cause);
    t.regex(error!.message, /has succeeded, and its result was not stored: .* The entry is invalidated\.$/);
    t.is(await cache.get('key'), undefined);
  }
});

const OUTAGES: {
  readonly during: string;
  readonly verbs: readonly ('entries.lease' | 'entries.fill' | 'entries.remove')[];
}[] = [
  { during: 'before the write', verbs: ['entries.lease', 'entries.remove'] },
  { during: 'after it', verbs: ['entries.fill', 'entries.remove'] },
];
for (const { during, verbs } of OUTAGES) {
  test(`G3 if the store fails ${during}, the write runs, and the invalidation is queued`, async (t) => {
    const { openers, clock } = rig(t);
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load);
    for (const onUnavailable of ['queue', 'throw'] as const) {
      chaos.fail(verbs, 'refused');
      const put = cache.put('key', async () => row.write(), { onUnavailable });
      if (onUnavailable === 'queue') t.is(await put, row.version);
      else {
        const error = await t.throwsAsync(put, { instanceOf: InvalidationError });
        t.is(error!.result, row.version);
        t.true(error!.cause instanceof StoreUnavailableError);
      }
      t.true(cache.pending);
      t.is(await cache.getOrSet('key', row.load), row.version);
      chaos.heal();
      await clock.advance(10_000);
      t.false(cache.pending);
      t.is(await cache.getOrSet('key', row.load), row.version);
    }
  });
}

test('G3 a put that the store has stored, and whose reply is lost, is what it has stored, or nothing', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  await cache.getOrSet('key', row.load);
  chaos.fail('entries.fill', 'reply lost', 1);
  t.is(await cache.put('key', async () => row.write()), 2);
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('G3 an invalidation that is queued keeps a put out', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const held = new HeldLoad(row);
  const put = cache.put('key', held.run);
  await held.entered;
  row.write();
  chaos.fail('entries.remove', 'refused', 1);
  t.false((await cache.invalidate({ keys: ['key'] })).acknowledged);
  held.finish();
  await put;
  t.is(await cache.getOrSet('key', row.load), 2);
});

test('invalid options and keys are refused before the write', async (t) => {
  const { cache } = rig(t).openers[0]!;
  let writes = 0;
  const write = async (): Promise<number> => ++writes;
  await t.throwsAsync(cache.put('', write), { instanceOf: KeyError });
  await t.throwsAsync(cache.put('key', write, { ttl: 'soon' as never }), { instanceOf: OptionsError });
  t.is(writes, 0);
});

test('a Caching that is not enabled only runs the write', async (t) => {
  const { cache, chaos } = rig(t, 1, { enabled: false }).openers[0]!;
  t.is(await cache.put('key', () => 1), 1);
  t.deepEqual(chaos.verbs, []);
});

test('a request with a memo remembers nothing from before its put', async (t) => {
  const { cache } = rig(t).openers[0]!;
  const row = new Row();
  await withRequestMemo(async () => {
    const read = (): Promise<number> => cache.getOrSet('key', row.load, { memo: true });
    t.is(await read(), 1);
    t.is(await cache.put('key', async () => row.write()), 2);
    t.is(await read(), 2);
  });
});

test('after a put, an outage brings no older value back', async (t) => {
  const { cache, chaos } = rig(t, 1, { defaults: { outage: { l1: '10s' } } }).openers[0]!;
  const row = new Row();
  chaos.setDown(true);
  t.is(await cache.getOrSet('key', row.load), 1);
  chaos.setDown(false);
  t.is(await cache.put('key', async () => row.write()), 2);
  row.version = 3;
  chaos.setDown(true);
  t.is(await cache.getOrSet('key', row.load), 3);
});

test('a put keeps a sealed value readable, and the ttl of a put may depend on its result', async (t) => {
  const { openers, clock } = rig(t, 2, { seal: { keys: [randomBytes(32)] } });
  const [here, there] = openers;
  const row = new Row();
  await here!.cache.getOrSet('key', row.load);
  const held = heldWrite(row);
  const put = here!.cache.put('key', held.run, { ttl: (version) => (version === 2 ? '2m' : '1s') });
  await held.entered;
  t.is(await there!.cache.getOrSet('key', notCalled), 1);
  held.finish();
  await put;
  await clock.advance(119_000);
  t.is(await there!.cache.getOrSet('key', notCalled), 2);
  await clock.advance(1_001);
  t.is(await there!.cache.get('key'), undefined);
});

const SAFE = { safe: '30s', ttl: '10m' } as const;

for (const l1 of [false, true]) {
  const where = l1 ? 'with an L1' : 'without an L1';

  test(`safe: the result is stored and the mark is gone (${where})`, async (t) => {
    const { openers, clock } = rig(t, 2, { l1 });
    const [here, there] = openers;
    const row = new Row();
    for (const { cache } of openers) await cache.getOrSet('key', row.load);
    t.is(await here!.cache.put('key', async () => row.write(), SAFE), 2);
    for (const { cache } of openers) t.is(await cache.getOrSet('key', notCalled), 2);
    t.is(await there!.cache.put('cold', () => 7, SAFE), 7);
    for (const { cache } of openers) t.is(await cache.getOrSet('cold', notCalled), 7);
    await clock.advance(300_000);
    t.is(await here!.cache.getOrSet('key', notCalled), 2, 'It outlives the mark, which is not renewed.');
  });

  test(`G12 safe: a process that dies between commit and put leaves no old value (${where})`, async (t) => {
    const { openers, clock } = rig(t, 2, { l1 });
    const [writer, reader] = openers;
    const row = new Row();
    for (const { cache } of openers) await cache.getOrSet('key', row.load, { ttl: '10m' });
    const held = heldWrite(row);
    void writer!.cache.put('key', held.run, SAFE);
    await held.entered;
    writer!.chaos.kill();
    t.is(await reader!.cache.getOrSet('key', row.load), 2, 'While the mark stands, it loads.');
    t.is(await reader!.cache.get('key'), undefined);
    await clock.advance(30_001);
    t.is(await reader!.cache.getOrSet('key', row.load), 2);
    t.is(await reader!.cache.getOrSet('key', notCalled), 2, 'It is stored again.');
  });

  test(`G12 safe: after a write that fails, what stood is valid again, and its lease blocks nobody (${where})`, async (t) => {
    const { openers, clock } = rig(t, 2, { l1 });
    const [writer, reader] = openers;
    const options = { ttl: '10m', lockTimeout: '1h' } as const;
    await reader!.cache.getOrSet('key', () => 1, options);
    for (const key of ['key', 'cold']) {
      const held = new HeldLoad(new Row());
      const put = writer!.cache.put(key, held.run, SAFE);
      await held.entered;
      held.fail(DOWN);
      await t.throwsAsync(put, { is: DOWN });
      await settled();
    }
    t.is(clock.timers, 0);
    t.is(await reader!.cache.getOrSet('key', notCalled, options), 1);
    t.is(await reader!.cache.getOrSet('cold', () => 5, options), 5);
    t.is(await writer!.cache.getOrSet('cold', notCalled, options), 5);
  });
}

for (const { title, first } of ORDERS) {
  for (const other of ['put', 'safe put', 'invalidateAround'] as const) {
    for (const safeIs of [0, 1]) {
      test(`G11 G12 safe: a put and a ${other} at the same time, which end ${title}: nothing is stored (${safeIs ? 'the other' : 'the put'} is first)`, async (t) => {
        const { openers } = rig(t, 2);
        const row = new Row();
        await openers[0]!.cache.getOrSet('key', row.load);
        const writes = [heldWrite(row), heldWrite(row)];
        const begin = (i: number): Promise<number> => {
          const { cache } = openers[i]!;
          if (i === safeIs) return cache.put('key', writes[i]!.run, SAFE);
          if (other === 'invalidateAround') {
            return cache.invalidateAround({ keys: ['key'] }, writes[i]!.run, { safe: '30s' });
          }
          return cache.put('key', writes[i]!.run, other === 'put' ? {} : SAFE);
        };
        const running: Promise<number>[] = [];
        for (const i of [0, 1]) {
          running.push(begin(i));
          await writes[i]!.entered;
        }
        for (const i of [first, 1 - first]) {
          writes[i]!.finish();
          await running[i];
          if (other !== 'put') t.is(await openers[1 - i]!.cache.get('key'), undefined, 'Both have a mark.');
        }
        t.is(await openers[0]!.cache.get('key'), undefined);
        t.deepEqual(await Promise.all(running), [2, 3]);
        for (const { cache } of openers) t.is(await cache.getOrSet('key', row.load), 3);
        t.is(await openers[0]!.cache.getOrSet('key', notCalled), 3, 'No mark is left.');
      });
    }
  }
}

for (const { by, target } of TARGETS) {
  test(`G1 safe: an invalidation by ${by} during a put wins`, async (t) => {
    const { openers } = rig(t, 2);
    const row = new Row();
    const held = new HeldLoad(row);
    const options = { ...SAFE, tags: ['org'] };
    const put = openers[0]!.cache.put('key', held.run, options);
    await held.entered;
    row.write();
    await openers[1]!.cache.invalidate(target);
    held.finish();
    t.is(await put, 1);
    for (const { cache } of openers) t.is(await cache.getOrSet('key', row.load, { tags: ['org'] }), 2);
    t.is(await openers[1]!.cache.getOrSet('key', notCalled, { tags: ['org'] }), 2);
  });
}

test('safe: when another write fails, a put that runs at the same time is stored', async (t) => {
  const { openers } = rig(t, 2);
  const [writer, other] = openers;
  const row = new Row();
  const [put, failing] = [heldWrite(row), new HeldLoad(row)];
  const running = writer!.cache.put('key', put.run, SAFE);
  await put.entered;
  const around = other!.cache.invalidateAround({ keys: ['key'] }, failing.run, { safe: '30s' });
  await failing.entered;
  failing.fail(DOWN);
  await t.throwsAsync(around, { is: DOWN });
  put.finish();
  t.is(await running, 2);
  t.is(await other!.cache.getOrSet('key', notCalled), 2);
});

test('G12 safe: a put beside a writer that has died is not stored', async (t) => {
  const { openers, clock } = rig(t, 3);
  const [writer, dead, reader] = openers;
  const row = new Row();
  const [put, lost] = [new HeldLoad(row), new HeldLoad(row)];
  const running = writer!.cache.put('key', put.run, SAFE);
  await put.entered;
  void dead!.cache.invalidateAround({ keys: ['key'] }, lost.run, { safe: '5s' });
  await lost.entered;
  row.write();
  dead!.chaos.kill();
  await clock.advance(10_000);
  put.finish();
  t.is(await running, 1);
  t.is(await reader!.cache.getOrSet('key', row.load), 2);
});

test('safe: a write that takes longer keeps its mark, and is stored', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [writer, reader] = openers;
  const row = new Row();
  const held = heldWrite(row);
  const put = writer!.cache.put('key', held.run, SAFE);
  await held.entered;
  await clock.advance(300_000);
  await reader!.cache.getOrSet('other', row.load);
  t.is(await reader!.cache.get('key'), undefined);
  held.finish();
  t.is(await put, 2);
  t.is(clock.timers, 0);
  t.is(await reader!.cache.getOrSet('key', notCalled), 2);
});

test('safe: a result that is not stored ends the entry and the mark', async (t) => {
  const { openers } = rig(t, 2);
  const [writer, reader] = openers;
  const puts: (() => Promise<unknown>)[] = [
    () => writer!.cache.put('key', () => 2, { ...SAFE, unless: () => true }),
    () => writer!.cache.put<unknown>('key', () => new Row(), SAFE),
    () => writer!.cache.put('key', () => 'x'.repeat(1_000), { ...SAFE, maxValueBytes: 100 }),
  ];
  for (const put of puts) {
    await reader!.cache.getOrSet('key', () => 1);
    await put().catch((error: unknown) => t.true(error instanceof InvalidationError));
    t.is(await reader!.cache.get('key'), undefined);
    t.is(await reader!.cache.getOrSet('key', () => 5), 5);
    t.is(await writer!.cache.getOrSet('key', notCalled), 5);
    await reader!.cache.invalidate({ keys: ['key'] });
  }
});

test('G3 safe: while the store does not mark, the write runs as without safe, or is not started', async (t) => {
  const { openers, of } = rig(t, 2);
  const [writer, reader] = openers;
  const row = new Row();
  await reader!.cache.getOrSet('key', row.load);
  writer!.chaos.fail(['entries.mark'], 'refused');
  t.is(await writer!.cache.put('key', async () => row.write(), SAFE), 2);
  t.is(await reader!.cache.getOrSet('key', notCalled), 2);
  t.deepEqual([...new Set(of('error').map(({ operation }) => operation))], ['mark']);
  const refused = writer!.cache.put('key', async () => row.write(), { ...SAFE, onUnavailable: 'throw' });
  const error = await t.throwsAsync(refused, { instanceOf: InvalidationError });
  t.regex(error!.message, /^The write was not started/);
  t.is(row.version, 2);
  await settled();
  t.is(await reader!.cache.getOrSet('key', notCalled), 2);
});

test('safe: a mark and a put whose replies are lost', async (t) => {
  for (const verb of ['entries.mark', 'entries.lease', 'entries.fill'] as const) {
    const { openers } = rig(t, 2);
    const [writer, reader] = openers;
    const row = new Row();
    await reader!.cache.getOrSet('key', row.load);
    writer!.chaos.fail(verb, 'reply lost', 1);
    t.is(await writer!.cache.put('key', async () => row.write(), SAFE), 2);
    t.is(await reader!.cache.getOrSet('key', row.load), 2);
    t.is(await reader!.cache.getOrSet('key', notCalled), 2);
  }
});

test('safe in a transaction: the mark stands until the commit, and the key is invalidated', async (t) => {
  for (const how of ['commit', 'rollback'] as const) {
    const { openers } = rig(t, 3);
    const [writer, reader, other] = openers;
    const row = new Row();
    await reader!.cache.getOrSet('key', row.load);
    const transaction = writer!.caching.transaction(async () => {
      t.is(await writer!.cache.put('key', () => 2, SAFE), 2);
      t.is(await reader!.cache.getOrSet('key', row.load), 1);
      t.is(await reader!.cache.get('key'), undefined);
      if (how === 'rollback') throw DOWN;
      row.write();
    });
    if (how === 'rollback') await t.throwsAsync(transaction, { is: DOWN });
    else await transaction;
    await settled();
    t.is(await other!.cache.get('key'), how === 'rollback' ? 1 : undefined);
    t.is(await other!.cache.getOrSet('key', row.load), row.version);
  }
});
