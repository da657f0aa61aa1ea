import type { ExecutionContext } from 'ava';
import { deferred } from '../support/deferred.js';
import type { Load, Place, Version } from './place.js';
import { HeldLoad, Row } from '../support/held-load.js';

export interface Interleaving {
  readonly title: string;
  /** It needs two `Caching` objects. */
  readonly needsTwo?: boolean;
  /** It waits until the ttl has passed. */
  readonly waitsForTtl?: boolean;
  /** The habit of a naive cache with which this interleaving must fail. */
  readonly naive: Habit;
  play(t: ExecutionContext, place: Place): Promise<void>;
}

/**
 * The habits of naive caches. Each cache gets, loads, sets and deletes, and keeps a list of keys for each tag.
 *
 * - `plain`: nothing else;
 * - `endless lock`: takes a lock around the load, which only a successful load releases;
 * - `near copy`: keeps a local copy of each value it reads;
 * - `stale on error`: returns an old value if the loader fails;
 * - `load until calm`: repeats the load as long as invalidations arrive;
 * - `own echo`: deletes the key again when it is notified of its own invalidation.
 */
export type Habit =
  | 'plain'
  | 'endless lock'
  | 'near copy'
  | 'stale on error'
  | 'load until calm'
  | 'own echo';

const NEVER: Load = () => Promise.reject(new Error('Expected no load here.'));

export const interleavings: readonly Interleaving[] = [
  {
    title: 'G1 no resurrection: I1: a load that is invalidated while it runs is not stored',
    naive: 'plain',
    async play(t, { reader, writer }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run);
      await held.entered;
      row.write();
      t.true(await writer.invalidate({ keys: ['k'] }));
      held.finish();
      t.is(await first, 1);
      t.is(await writer.peek('k'), undefined);
      t.is(await reader.read('k', row.load), 2);
      t.is(await writer.read('k', NEVER), 2);
    },
  },
  {
    title: 'G7 tags: I2: a load whose argument tag is invalidated while it runs is not stored',
    naive: 'plain',
    async play(t, { reader, writer }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run, { tags: ['org'] });
      await held.entered;
      row.write();
      t.true(await writer.invalidate({ tags: ['org'] }));
      held.finish();
      t.is(await first, 1);
      t.is(await reader.read('k', row.load, { tags: ['org'] }), 2);
      t.is(await writer.read('k', NEVER, { tags: ['org'] }), 2);
    },
  },
  {
    title: 'G7 tags: I2: a load whose result tag is invalidated while it runs is not stored',
    naive: 'plain',
    async play(t, { reader, writer }) {
      const row = new Row();
      const options = { lateTags: ['org'] };
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run, options);
      await held.entered;
      row.write();
      t.true(await writer.invalidate({ tags: ['org'] }));
      held.finish();
      t.is(await first, 1);
      t.is(await reader.read('k', row.load, options), 2);
      t.is(await writer.read('k', NEVER, options), 2);
    },
  },
  {
    title: 'G1 no resurrection: I4: a load is not stored if the cache is cleared while it runs',
    naive: 'plain',
    async play(t, { reader, writer }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run);
      await held.entered;
      row.write();
      t.true(await writer.invalidate({ all: true }));
      held.finish();
      t.is(await first, 1);
      t.is(await writer.peek('k'), undefined);
      t.is(await reader.read('k', row.load), 2);
      t.is(await writer.read('k', NEVER), 2);
    },
  },
  {
    title:
      'G3 read your writes: I5: a call that starts after an invalidation does not join a load that started before it',
    naive: 'endless lock',
    async play(t, { reader, writer, settle, within }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run);
      await held.entered;
      row.write();
      t.true(await writer.invalidate({ keys: ['k'] }));
      const second = reader.read('k', row.load);
      await settle();
      // In one process the second call has its own load; in two, the reader waits for the end of the first load.
      held.finish();
      t.is(await within(1_000, second), 2);
      t.is(await within(1_000, first), 1);
      t.is(await reader.read('k', NEVER), 2);
    },
  },
  {
    title:
      'G3 read your writes: I8: a value read between a delayed removal and its acknowledgement is not returned after it',
    naive: 'near copy',
    async play(t, { reader, writer }) {
      const row = new Row();
      await reader.read('k', row.load);
      row.write();
      const removal = await writer.hold('entries.remove', 'request');
      const acknowledged = writer.invalidate({ keys: ['k'] });
      await removal.reached;
      const read = await reader.hold('entries.read', 'reply');
      const between = reader.read('k', row.load);
      await read.reached;
      await removal.release();
      t.true(await acknowledged);
      await read.release();
      // This read started before the acknowledgement and may return the old value; later reads must not.
      t.true((await between) <= 2);
      t.is(await reader.read('k', row.load), 2);
      t.is(await writer.read('k', NEVER), 2);
    },
  },
  {
    title:
      'G5 single flight: I9: when the process with the lease is killed, the next reader loads after the lease ends',
    needsTwo: true,
    naive: 'endless lock',
    async play(t, { reader, writer, crash, lease, within }) {
      const row = new Row();
      const held = new HeldLoad(row);
      void reader.read('k', held.run).catch(() => {});
      await held.entered;
      await crash!();
      row.write();
      t.is(await within(2 * lease, writer.read('k', row.load)), 2);
      t.is(await writer.peek('k'), 2);
      held.finish();
    },
  },
  {
    title: 'G1 no resurrection: I10: a load that outlives its lease does not replace a newer value',
    naive: 'plain',
    async play(t, { reader, writer, outlive, lease }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run);
      await held.entered;
      const resume = await outlive('k', lease);
      row.write();
      if (writer !== reader) t.is(await writer.read('k', row.load), 2);
      await resume();
      held.finish();
      t.is(await first, 1);
      t.is(await writer.read('k', row.load), 2);
      t.is(await reader.read('k', NEVER), 2);
    },
  },
  {
    title: 'G5 single flight: I11: a failed load releases its lease at once, and its error is not stored',
    naive: 'endless lock',
    async play(t, { reader, writer, within, settle, lease }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const calls = [reader.read('k', held.run), reader.read('k', held.run)];
      await held.entered;
      const waiting = writer === reader ? undefined : writer.read('k', row.load);
      await settle();
      held.fail(new Error('the database is away'));
      for (const call of calls) await t.throwsAsync(within(lease, call), { message: 'the database is away' });
      t.is(held.runs, 1);
      if (waiting !== undefined) t.is(await within(lease / 2, waiting), 1);
      t.is(await within(lease / 2, reader.read('k', row.load)), 1);
    },
  },
  {
    title:
      'G1 no resurrection: I12: a load that fails after an invalidation does not bring an old value back',
    naive: 'stale on error',
    async play(t, { reader, writer }) {
      const row = new Row();
      await reader.read('k', row.load);
      row.write();
      t.true(await writer.invalidate({ keys: ['k'] }));
      const failing = (): Promise<Version> => Promise.reject(new Error('the database is away'));
      await t.throwsAsync(reader.read('k', failing), { message: 'the database is away' });
      t.is(await reader.peek('k'), undefined);
      t.is(await writer.read('k', row.load), 2);
    },
  },
  {
    title: 'I15: a value that the writer loads after its invalidation stays, even if a late wakeup arrives',
    naive: 'own echo',
    async play(t, { writer, reader, settle }) {
      const row = new Row();
      await writer.read('k', row.load);
      row.write();
      t.true(await writer.invalidate({ keys: ['k'] }));
      t.is(await writer.read('k', row.load), 2);
      await writer.wake('k');
      await reader.wake('k');
      await settle();
      t.is(await writer.read('k', NEVER), 2);
      t.is(await reader.read('k', NEVER), 2);
    },
  },
  {
    title: 'G1 no resurrection: I16: duplicated and reordered requests do not bring an old value back',
    naive: 'plain',
    async play(t, { reader, writer, settle }) {
      const row = new Row();
      await reader.read('k', row.load, { tags: ['org'] });
      row.write();
      t.true(await writer.invalidate({ keys: ['k'] }));
      await reader.repeat('entries.fill');
      t.is(await writer.peek('k'), undefined);
      t.is(await reader.read('k', row.load, { tags: ['org'] }), 2);
      // The first fill, a release of its lease and an extension of its lease are repeated too late.
      await reader.repeat('entries.fill');
      await reader.repeat('entries.release');
      await reader.repeat('entries.extend');
      for (const node of [reader, writer, reader]) await node.wake('k');
      await settle();
      t.is(await reader.read('k', NEVER, { tags: ['org'] }), 2);
      // A repeated removal costs one load.
      await writer.repeat('entries.remove');
      t.is(await reader.read('k', row.load, { tags: ['org'] }), 2);
    },
  },
  {
    title: 'G1 no resurrection: I17: after two concurrent writes and loads the newest version is stored',
    naive: 'plain',
    async play(t, { reader, writer, settle, within }) {
      const row = new Row();
      const one = new HeldLoad(row);
      const first = reader.read('k', one.run);
      await one.entered;
      row.write();
      t.true(await writer.invalidate({ keys: ['k'] }));
      const two = new HeldLoad(row);
      const second = writer.read('k', two.run);
      await two.entered;
      row.write();
      const both = await Promise.all([
        writer.invalidate({ keys: ['k'] }),
        reader.invalidate({ keys: ['k'] }),
      ]);
      t.deepEqual(both, [true, true]);
      two.finish();
      await settle();
      one.finish();
      t.is(await within(1_000, first), 1);
      t.is(await within(1_000, second), 2);
      t.is(await reader.read('k', row.load), 3);
      t.is(await writer.read('k', NEVER), 3);
    },
  },
  {
    title:
      'G1 no resurrection: I18: a process that pauses for longer than the ttl between load and fill does not store',
    needsTwo: true,
    waitsForTtl: true,
    naive: 'plain',
    async play(t, { reader, writer, outlive, ttl }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const first = reader.read('k', held.run);
      await held.entered;
      const resume = await outlive('k', 2 * ttl);
      row.write();
      await resume();
      held.finish();
      t.is(await first, 1);
      t.is(await writer.peek('k'), undefined);
      t.is(await writer.read('k', row.load), 2);
    },
  },
  {
    title:
      'G3 read your writes: I19: an invalidation while the store is unavailable applies in its own process at once, in others later',
    naive: 'plain',
    async play(t, { reader, writer, until }) {
      const row = new Row();
      await reader.read('k', row.load);
      t.is(await writer.read('k', NEVER), 1);
      await writer.setDown(true);
      row.write();
      t.false(await writer.invalidate({ keys: ['k'] }));
      t.is(await writer.read('k', row.load), 2);
      // A second write of the same key while the store is unavailable.
      row.write();
      t.false(await writer.invalidate({ keys: ['k'] }));
      t.is(await writer.read('k', row.load), 3);
      await writer.setDown(false);
      await until('the queue drains', 20_000, async () => !(await writer.pending()));
      t.is(await reader.read('k', row.load), 3);
      t.is(await writer.read('k', row.load), 3);
    },
  },
  ...(
    [
      ['its lease', { keys: ['k'] }],
      ['the nonce of its tag', { tags: ['org'] }],
      ['all that the store holds', { all: true }],
    ] as const
  ).map(([what, evicted]): Interleaving => ({
    title: `G1 no resurrection: I22: a load that is invalidated while it runs is not stored, with ${what} evicted`,
    naive: 'plain',
    async play(t, { reader, writer, evict }) {
      for (const target of [{ keys: ['k'] }, { tags: ['org'] }, { all: true }]) {
        for (const before of [true, false]) {
          const row = new Row();
          const options = { tags: ['org'] };
          t.true(await writer.invalidate({ keys: ['k'] }));
          const held = new HeldLoad(row);
          const first = reader.read('k', held.run, options);
          await held.entered;
          row.write();
          if (before) await evict(evicted);
          t.true(await writer.invalidate(target));
          if (!before) await evict(evicted);
          held.finish();
          t.is(await first, 1);
          t.is(await reader.read('k', row.load, options), 2);
          t.is(await writer.read('k', row.load, options), 2);
        }
      }
    },
  })),
  {
    title:
      'G7 tags: I24: with inheritTags a load is not returned once a tag of its cached call is invalidated',
    naive: 'plain',
    async play(t, { reader, writer }) {
      const row = new Row();
      const held = new HeldLoad(row);
      const options = { inner: { key: 'inner', tags: ['org'] } };
      const first = reader.read('outer', held.run, options, row.load);
      await held.entered;
      row.write();
      t.true(await writer.invalidate({ tags: ['org'] }));
      held.finish();
      t.is(await first, 1);
      t.is(await writer.read('outer', row.load, options, row.load), 2);
      t.is(await reader.read('outer', NEVER, options, NEVER), 2);
      // The inherited tags also apply later, to the stored entry.
      row.write();
      t.true(await writer.invalidate({ tags: ['org'] }));
      t.is(await reader.read('outer', row.load, options, row.load), 3);
    },
  },
  {
    title: 'G5 single flight: I26: loads end during a tight loop of invalidations (no livelock)',
    naive: 'load until calm',
    async play(t, { reader, writer, within }) {
      const row = new Row();
      const stop = deferred();
      let stopped = false;
      void stop.promise.then(() => (stopped = true));
      const load = async (): Promise<Version> => {
        const { version } = row;
        row.write();
        await writer.invalidate({ all: true });
        return version;
      };
      const loop = (async () => {
        for (let i = 0; i < 200 && !stopped; i++) await writer.invalidate({ all: true });
      })();
      const reads = Array.from({ length: 10 }, () => reader.read('k', load));
      for (const read of reads) t.true((await within(5_000, read)) >= 1);
      stop.resolve();
      await loop;
      const newest = row.version;
      t.is(await reader.read('k', row.load), newest);
    },
  },
];
