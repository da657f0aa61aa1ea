import test, { type ExecutionContext } from 'ava';
import type { Redis } from 'ioredis';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import { TAG_CHANGE_BYTES, TAG_CHANGES_IDENTITY } from '../../../../src/core/ports/tag-changes.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { eventually } from '../../../support/eventually.js';
import { startRedis } from '../../../support/servers.js';
import { admin, callsOf, MAJORS, ready, store, valueOf, type Rig } from '../rig.js';
import { LATER } from '../../../support/later.js';

async function alone(
  t: ExecutionContext,
  major: (typeof MAJORS)[number],
): Promise<Rig & { readonly side: Redis }> {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const pattern = new major.Redis(server.url, { lazyConnect: true });
  const rig = await ready(t, pattern);
  return { ...rig, side: admin(t, server.url) };
}

async function refused(t: ExecutionContext, call: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError, message });
  t.is(error.outcome, 'refused');
  t.true(error.cause instanceof Error);
  t.false(Reflect.has(error.cause as Error, 'command'), 'its arguments are nobody’s business');
}

for (const major of MAJORS) {
  const on = (
    title: string,
    run: (t: ExecutionContext, rig: Awaited<ReturnType<typeof alone>>) => Promise<void>,
  ): void => {
    test(`${title} (ioredis ${major.major})`, async (t) => run(t, await alone(t, major)));
  };

  on(
    'NOSCRIPT: scripts that the server forgot are sent again and run once',
    async (t, { entries, entry, side }) => {
      const token = newToken();
      await entries.lease(entry('a'), token, 60_000, undefined);
      await side.script('FLUSH');
      await side.config('RESETSTAT');
      t.true(await entries.extend(entry('a'), token, 60_000));
      t.is(await callsOf(side, 'pexpire'), 1);
      t.is(await callsOf(side, 'eval'), 1);
      t.true(await entries.extend(entry('a'), token, 60_000));
      t.is(await callsOf(side, 'eval'), 1, 'by its digest from then on');
      t.is(await callsOf(side, 'evalsha'), 2);
    },
  );

  on('OOM: without memory, removals work and writes are refused', async (t, rig) => {
    const { entries, entry, tag, tagChanges, clear, side, changes } = rig;
    const record = await store(entries, entry('value'));
    const waited = newToken();
    await entries.lease(entry('lease'), waited, 60_000, undefined);
    await entries.getOrCreateNonces([clear, tag('a')], tagChanges, newToken(), 60_000);
    await side.config('SET', 'maxmemory', '1');

    t.true(record.equals((await entries.read(entry('value'), [clear])).record!), 'hits are served');
    await refused(
      t,
      entries.lease(entry('new'), newToken(), 60_000, undefined),
      /^lease was refused by redis:.*OOM/,
    );
    await refused(t, entries.fill(entry('lease'), waited, valueOf(waited), LATER), /OOM/);
    await refused(t, entries.getOrCreateNonces([tag('new')], undefined, newToken(), 60_000), /OOM/);
    t.is((await entries.lease(entry('lease'), newToken(), 60_000, undefined)).status, 'held');
    t.is(
      (await entries.getOrCreateNonces([clear], tagChanges, newToken(), 90_000)).nonces.length,
      1,
      'those that are there',
    );
    t.true(await entries.extend(entry('lease'), waited, 60_000));

    await entries.remove([entry('value'), entry('lease')]);
    t.is(await side.exists(entry('value'), entry('lease')), 0);
    // A script that has written something may go on to write: the bucket is marked.
    const mark = newToken();
    await entries.removeNonces([tag('a')], tagChanges, [7], mark);
    t.deepEqual(await entries.nonces([tag('a')]), [null]);
    t.is(
      await side.getrange(
        tagChanges,
        TAG_CHANGES_IDENTITY + 7 * TAG_CHANGE_BYTES,
        TAG_CHANGES_IDENTITY + 8 * TAG_CHANGE_BYTES - 1,
      ),
      mark.slice(0, 8),
    );
    await entries.removeNonces([], tagChanges, [7], newToken());
    t.is(await side.exists(tagChanges), 0, 'tag changes that cannot be written are removed');
    t.deepEqual(changes, [], 'the store does answer');
  });

  on(
    'READONLY: a replica serves reads, refuses writes, and is replaced by a new connection',
    async (t, rig) => {
      const { entries, entry, clear, side, changes } = rig;
      const record = await store(entries, entry('a'));
      await side.replicaof('127.0.0.1', '1');
      t.true(record.equals((await entries.read(entry('a'), [clear])).record!));
      await refused(t, entries.remove([entry('a')]), /READONLY/);
      // Behind a name or a balancer the next connection may lead to the master.
      await eventually('there was a new connection', () => changes.at(-1) === 'recovered');
      t.is(changes.length, 2);
      await refused(t, entries.remove([entry('a')]), /READONLY/);
      t.true(record.equals((await entries.read(entry('a'), [clear])).record!), 'not for every refusal');
      await side.replicaof('NO', 'ONE');
      await t.notThrowsAsync(entries.remove([entry('a')]));
    },
  );

  on('BUSY: a server that runs a long script refuses', async (t, { entries, entry, side }) => {
    await side.config('SET', 'busy-reply-threshold', '10');
    const endless = side.duplicate();
    t.teardown(() => endless.disconnect());
    const loop = endless.eval('while true do end', 0).catch(() => 'killed');
    await eventually('it is busy', async () =>
      side.ping().then(
        () => false,
        (error: Error) => error.message.startsWith('BUSY'),
      ),
    );
    await refused(t, entries.read(entry('a'), []), /^MGET was refused by .*BUSY/);
    await refused(t, entries.remove([entry('a')]), /BUSY/);
    await side.script('KILL');
    t.is(await loop, 'killed');
    await t.notThrowsAsync(entries.remove([entry('a')]));
  });

  on('NOPERM: a revoked permission refuses', async (t, { entries, entry, side }) => {
    await entries.remove([entry('a')]);
    await side.call('ACL', 'SETUSER', 'default', '-unlink', '-mget');
    await refused(t, entries.remove([entry('a')]), /The user executing the script can't|NOPERM/);
    await refused(t, entries.read(entry('a'), []), /NOPERM/);
  });
}
