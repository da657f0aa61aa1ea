import test from 'ava';
import { withRequestMemo } from '../../src/core/cache/request-memo.js';
import { InvalidationError, KeyError, OptionsError } from '../../src/core/shared/errors.js';
import { createDecorators } from '../../src/index.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig, type Rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { TARGETS } from './invalidation-targets.js';

const DOWN = new Error('The database is down.');
const OPTIONS = { tags: ['org'], ttl: '10m' } as const;
const SAFE = { safe: '30s' } as const;
const notCalled = async (): Promise<number> => {
  throw new Error('The loader was called.');
};

/** Three processes, with an entry of a row that all of them have read. */
async function world(t: Parameters<typeof rig>[0], l1 = false): Promise<Rig & { readonly row: Row }> {
  const opened = rig(t, 3, { l1 });
  const row = new Row();
  for (const { cache } of opened.openers) await cache.getOrSet('key', row.load, OPTIONS);
  return { ...opened, row };
}

for (const { by, target } of TARGETS) {
  for (const l1 of [false, true]) {
    const where = `by ${by}, ${l1 ? 'with an L1' : 'without an L1'}`;

    test(`G12 a process that dies between commit and invalidation: no stale value after the time given (${where})`, async (t) => {
      const { openers, clock, row } = await world(t, l1);
      const [writer, reader] = openers;
      const held = new HeldLoad(row);
      void writer!.cache.invalidateAround(
        target,
        async () => {
          row.write();
          await held.run();
        },
        SAFE,
      );
      await held.entered;
      writer!.chaos.kill();
      t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 2, 'While the mark stands, it loads.');
      t.is(await reader!.cache.get('key'), undefined);
      await clock.advance(30_001);
      t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 2);
      t.is(await reader!.cache.getOrSet('key', notCalled, OPTIONS), 2, 'It is stored again.');
    });

    test(`G12 a write that fails: what was stored is valid again (${where})`, async (t) => {
      const { openers, row } = await world(t, l1);
      const [writer, reader, other] = openers;
      const held = new HeldLoad(row);
      const write = writer!.cache.invalidateAround(target, held.run, SAFE);
      await held.entered;
      // Both load while it runs, and store nothing.
      for (const { cache } of [writer!, reader!]) {
        t.is(await cache.getOrSet('key', async () => 77, OPTIONS), 77);
        t.is(await cache.get('key'), undefined);
      }
      held.fail(DOWN);
      await t.throwsAsync(write, { is: DOWN });
      t.is(await other!.cache.getOrSet('key', notCalled, OPTIONS), 1);
      // A process that has loaded meanwhile returns nothing older (G4).
      t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 1);
    });

    test(`G12 a load that runs during the write stores nothing, whenever it ends (${where})`, async (t) => {
      for (const end of ['during', 'after'] as const) {
        const { openers, row } = await world(t, l1);
        const [writer, reader] = openers;
        await reader!.cache.invalidate(target);
        const [write, old] = [new HeldLoad(row), new HeldLoad(row)];
        const writing = writer!.cache.invalidateAround(
          target,
          async () => {
            await write.run();
            return row.write();
          },
          SAFE,
        );
        await write.entered;
        const reading = reader!.cache.getOrSet('key', old.run, OPTIONS);
        await old.entered;
        if (end === 'during') old.finish();
        if (end === 'during') await reading;
        write.finish();
        t.is(await writing, 2);
        old.finish();
        t.is(await reading, 1);
        for (const { cache } of openers) t.is(await cache.getOrSet('key', row.load, OPTIONS), 2);
      }
    });
  }

  test(`G12 without safe, the old value stays until its ttl ends if the process dies (by ${by})`, async (t) => {
    const { openers, clock, row } = await world(t);
    const [writer, reader] = openers;
    row.write();
    writer!.chaos.kill();
    void writer!.cache.invalidate(target);
    await settled();
    await clock.advance(30_000);
    t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 1);
  });

  test(`G12 two writes at the same time: each has a mark of its own (by ${by})`, async (t) => {
    for (const first of ['fails', 'succeeds'] as const) {
      const { openers, row } = await world(t);
      const [here, there] = openers;
      const [one, other] = [new HeldLoad(row), new HeldLoad(row)];
      const writes = [
        here!.cache.invalidateAround(target, one.run, SAFE),
        there!.cache.invalidateAround(target, other.run, SAFE),
      ];
      await Promise.all([one.entered, other.entered]);
      if (first === 'fails') {
        one.fail(DOWN);
        await t.throwsAsync(writes[0]!, { is: DOWN });
      } else {
        row.write();
        one.finish();
        await writes[0];
      }
      await here!.cache.getOrSet('key', row.load, OPTIONS);
      t.is(await here!.cache.get('key'), undefined, 'The other write still runs.');
      other.fail(DOWN);
      await t.throwsAsync(writes[1]!, { is: DOWN });
      t.is(await here!.cache.get('key'), first === 'fails' ? 1 : undefined);
      t.is(await there!.cache.getOrSet('key', row.load, OPTIONS), row.version);
    }
  });
}

test('G12 a value with a tag of its result that was loaded under a mark is not stored after the writer has died', async (t) => {
  const { openers, clock, row } = await world(t);
  const [writer, reader] = openers;
  const options = { ttl: '10m', lease: '5m', loadTimeout: '10m', tags: () => ['org'] } as const;
  const [held, old] = [new HeldLoad(row), new HeldLoad(row)];
  void writer!.cache.invalidateAround({ tags: ['org'] }, held.run, SAFE);
  await held.entered;
  const reading = reader!.cache.getOrSet('late', old.run, options);
  await old.entered;
  row.write();
  writer!.chaos.kill();
  await clock.advance(30_000);
  // Another load creates the nonce again.
  t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 2);
  t.is(await reader!.cache.getOrSet('key', notCalled, OPTIONS), 2);
  old.finish();
  t.is(await reading, 1);
  t.is(await reader!.cache.getOrSet('late', row.load, options), 2);
});

test('a mark that has ended takes the entry with it, also when another write fails', async (t) => {
  const { openers, clock, row } = await world(t);
  const [dead, writer, reader] = openers;
  const [one, other] = [new HeldLoad(row), new HeldLoad(row)];
  void dead!.cache.invalidateAround({ keys: ['key'] }, one.run, SAFE);
  await one.entered;
  row.write();
  dead!.chaos.kill();
  await clock.advance(29_999);
  const write = writer!.cache.invalidateAround({ keys: ['key'] }, other.run, SAFE);
  await other.entered;
  await clock.advance(2);
  other.fail(DOWN);
  await t.throwsAsync(write, { is: DOWN });
  t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 2);
});

test('G12 a load under a marked tag leaves no lease', async (t) => {
  const { openers, row } = await world(t);
  const [writer, reader, other] = openers;
  const held = new HeldLoad(row);
  const write = writer!.cache.invalidateAround({ tags: ['org'] }, held.run, SAFE);
  await held.entered;
  t.is(await reader!.cache.getOrSet('cold', row.load, OPTIONS), 1);
  await settled();
  held.finish();
  await write;
  t.is(await other!.cache.getOrSet('cold', row.load, { ...OPTIONS, lockTimeout: '1h' }), 1);
});

test('G12 a write that takes longer than safe keeps its mark', async (t) => {
  const { openers, clock, row } = await world(t);
  const [writer, reader] = openers;
  const held = new HeldLoad(row);
  const write = writer!.cache.invalidateAround({ keys: ['key'] }, held.run, SAFE);
  await held.entered;
  await clock.advance(300_000);
  await reader!.cache.getOrSet('key', row.load, OPTIONS);
  t.is(await reader!.cache.get('key'), undefined);
  held.finish();
  await write;
  t.is(clock.timers, 0);
});

test('what stood before a mark ends with its own ttl', async (t) => {
  const { openers, clock, row } = await world(t);
  const [writer, reader] = openers;
  const held = new HeldLoad(row);
  const write = writer!.cache.invalidateAround({ keys: ['key'] }, held.run, SAFE);
  await held.entered;
  await clock.advance(599_000);
  held.fail(DOWN);
  await t.throwsAsync(write, { is: DOWN });
  t.is(await reader!.cache.getOrSet('key', notCalled, OPTIONS), 1);
  await clock.advance(1_001);
  t.is(await reader!.cache.get('key'), undefined);
});

test('an invalidation and a put during a write with a mark: what stood before does not stand again', async (t) => {
  for (const other of ['invalidate', 'put', 'set'] as const) {
    const { openers, row } = await world(t);
    const [writer, reader] = openers;
    const held = new HeldLoad(row);
    const write = writer!.cache.invalidateAround({ keys: ['key'] }, held.run, SAFE);
    await held.entered;
    if (other === 'invalidate') await reader!.cache.invalidate({ keys: ['key'] });
    else if (other === 'put') await reader!.cache.put('key', async () => row.write(), OPTIONS);
    else t.false(await reader!.cache.set('key', row.write(), OPTIONS));
    held.fail(DOWN);
    await t.throwsAsync(write, { is: DOWN });
    t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), row.version);
  }
});

test('within the write, and in a request with a memo, nothing of before is returned', async (t) => {
  const { openers, row } = await world(t, true);
  const { cache } = openers[0]!;
  await withRequestMemo(async () => {
    const read = (): Promise<number> => cache.getOrSet('key', row.load, { ...OPTIONS, memo: true });
    await read();
    await cache.invalidateAround(
      { keys: ['key'] },
      async () => {
        row.write();
        t.is(await read(), 2);
        row.write();
      },
      SAFE,
    );
    t.is(await read(), 3);
  });
});

test('a value that is loaded under a mark is not kept for an outage', async (t) => {
  const { openers } = rig(t, 2, { defaults: { outage: { l1: '10m' } } });
  const [writer, reader] = openers;
  const row = new Row();
  const held = new HeldLoad(row);
  const write = writer!.cache.invalidateAround({ keys: ['key'] }, held.run, SAFE);
  await held.entered;
  t.is(await reader!.cache.getOrSet('key', row.load), 1);
  row.write();
  held.finish();
  await write;
  reader!.chaos.setDown(true);
  t.is(await reader!.cache.getOrSet('key', row.load), 2);
});

test('grace: no stale value while a write with a mark runs', async (t) => {
  const { openers, clock } = rig(t, 2);
  const [writer, reader] = openers;
  const options = { ttl: '1m', grace: '1h', softTimeout: 0, tags: ['org'] } as const;
  const row = new Row();
  await reader!.cache.getOrSet('key', row.load, options);
  await clock.advance(60_001);
  for (const target of [{ keys: ['key'] }, { tags: ['org'] }]) {
    const held = new HeldLoad(row);
    const write = writer!.cache.invalidateAround(target, held.run, SAFE);
    await held.entered;
    t.is(await reader!.cache.getOrSet('key', async () => 5, options), 5);
    held.fail(DOWN);
    await t.throwsAsync(write, { is: DOWN });
  }
});

test('G3 while the store is away: the write runs without a mark, or is not started', async (t) => {
  const { openers, row } = await world(t);
  const { cache, chaos } = openers[0]!;
  chaos.fail(['entries.mark', 'entries.remove'], 'refused');
  t.is(await cache.invalidateAround({ keys: ['key'] }, async () => row.write(), SAFE), 2);
  t.true(cache.pending);
  const notStarted = cache.invalidateAround({ keys: ['key'] }, async () => row.write(), {
    ...SAFE,
    onUnavailable: 'throw',
  });
  const error = await t.throwsAsync(notStarted, { instanceOf: InvalidationError });
  t.regex(
    error!.message,
    /^The write was not started: the store did not mark its entries, as safe asks for\./,
  );
  t.is(row.version, 2);
});

test('a mark whose reply is lost, and one that cannot be lifted, end by themselves', async (t) => {
  for (const verb of ['entries.mark', 'entries.unmark'] as const) {
    const { openers, clock, row } = await world(t);
    const [writer, reader] = openers;
    writer!.chaos.fail(verb, verb === 'entries.mark' ? 'reply lost' : 'refused', 2);
    const write = writer!.cache.invalidateAround({ keys: ['key'], tags: ['org'] }, notCalled, SAFE);
    await t.throwsAsync(write, { message: 'The loader was called.' });
    await clock.advance(30_001);
    t.is(await reader!.cache.getOrSet('key', row.load, OPTIONS), 1);
    t.is(await reader!.cache.getOrSet('key', notCalled, OPTIONS), 1);
  }
});

test('a read of a marked key asks the store once, and says why it misses', async (t) => {
  const { openers, row, of } = await world(t);
  const [writer, reader] = openers;
  const held = new HeldLoad(row);
  const write = writer!.cache.invalidateAround({ keys: ['key'] }, held.run, SAFE);
  await held.entered;
  const asked = reader!.chaos.verbs.length;
  await reader!.cache.getOrSet('key', row.load, OPTIONS);
  t.deepEqual(reader!.chaos.verbs.slice(asked), ['entries.read']);
  t.is(of('miss').at(-1)?.cause, 'in-doubt');
  held.finish();
  await write;
});

test('calls that wait for a load are woken by a mark', async (t) => {
  const { openers, clock } = rig(t, 3);
  const [writer, reader, other] = openers;
  const row = new Row();
  const [load, held] = [new HeldLoad(row), new HeldLoad(row)];
  const first = reader!.cache.getOrSet('key', load.run);
  await load.entered;
  const second = other!.cache.getOrSet('key', row.load);
  await settled();
  const write = writer!.cache.invalidateAround({ keys: ['key'] }, held.run, SAFE);
  await held.entered;
  t.is(await second, 1, 'It has not waited for the end of the load.');
  t.is(clock.now(), 1_000);
  load.finish();
  held.finish();
  await Promise.all([first, write]);
});

test('explain tells of the write', async (t) => {
  const { openers, row } = await world(t);
  const { caching } = openers[0]!;
  const { Cached } = createDecorators(caching);
  class Rows {
    @Cached({ key: 'key', ...OPTIONS })
    async find(): Promise<number> {
      return row.version;
    }
  }
  const find = caching.of(new Rows(), 'find');
  for (const [target, text] of [
    [
      { keys: ['key'] },
      'uncached: a write that marks the key is running, so the method runs, and its result is not stored.',
    ],
    [{ tags: ['org'] }, "miss: a write that marks the tag 'org' is running, or has died."],
  ] as const) {
    await caching.cache.invalidateAround(target, async () => t.is(await find.explain(), text), SAFE);
    await find.refresh();
  }
});

test('@Invalidates({ safe }) marks what templates tell, and invalidates what functions tell, too', async (t) => {
  const { openers } = rig(t, 2);
  const [writer, reader] = openers;
  const { Invalidates } = createDecorators(writer!.caching);
  const row = new Row();
  const seen: unknown[] = [];
  class Rows {
    @Invalidates({ keys: 'key:{0}', tags: (version) => [`version:${version}`], safe: '5s' })
    async write(_id: string): Promise<number> {
      seen.push(await reader!.cache.get('key:1'), await reader!.cache.get('tagged'));
      return row.write();
    }
    @Invalidates({ all: true, safe: '5s', unless: () => true })
    async nothing(): Promise<void> {
      seen.push(await reader!.cache.get('tagged'));
    }
  }
  await reader!.cache.set('key:1', 'old');
  await reader!.cache.set('tagged', 'old', { tags: ['version:2'] });
  await new Rows().write('1');
  t.deepEqual(seen.splice(0), [undefined, 'old']);
  t.is(await reader!.cache.get('key:1'), undefined);
  t.is(await reader!.cache.get('tagged'), undefined);
  await reader!.cache.set('tagged', 'new');
  await new Rows().nothing();
  t.deepEqual(seen, [undefined]);
  t.is(await reader!.cache.get('tagged'), 'new');
});

test('invalid options are refused', async (t) => {
  const { caching, cache } = rig(t).openers[0]!;
  const { Invalidates } = createDecorators(caching);
  const write = async (): Promise<void> => t.fail();
  for (const options of [{}, { safe: 1 }, { safe: '2h' }]) {
    await t.throwsAsync(cache.invalidateAround({ keys: ['a'] }, write, options as never), {
      instanceOf: OptionsError,
    });
  }
  await t.throwsAsync(cache.invalidateAround({ keys: [''] }, write, SAFE), { instanceOf: KeyError });
  for (const options of [
    { keys: () => ['a'], safe: '5s' },
    { keys: 'a', timing: 'both', safe: '5s' },
  ]) {
    t.throws(
      () => {
        class Rows {
          @Invalidates(options as never)
          async write(): Promise<void> {}
        }
        return new Rows();
      },
      { instanceOf: OptionsError, message: /has safe, which marks entries before the method runs/ },
    );
  }
});

test('a Caching that is not enabled only runs the write', async (t) => {
  const { cache, chaos } = rig(t, 1, { enabled: false }).openers[0]!;
  t.is(await cache.invalidateAround({ keys: ['a'] }, () => 1, SAFE), 1);
  t.deepEqual(chaos.verbs, []);
});
