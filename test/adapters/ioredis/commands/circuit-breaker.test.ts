import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import type { Clock } from '../../../../src/core/ports/clock.js';
import { fakeClock, type FakeClock } from '../../../../src/testing/fake-clock.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { eventually } from '../../../support/eventually.js';
import { freePort } from '../../../support/free-port.js';
import { startProxy, type Proxy } from '../../../support/proxy.js';
import { startRedis, type RedisServer } from '../../../support/servers.js';
import { admin, endLoad, MAJORS, open, ready, refusedAtOnce, store, valueOf, type Rig } from '../rig.js';
import { LATER } from '../../../support/later.js';

interface Ground extends Rig {
  readonly server: RedisServer;
  readonly proxy: Proxy;
  readonly clock: FakeClock;
}

const TIMEOUT = 200;

/** A rig whose time stands still, behind a proxy. */
async function ground(t: ExecutionContext, major: (typeof MAJORS)[number] = MAJORS[0]): Promise<Ground> {
  const server = await startRedis({ local: true });
  t.teardown(() => server.stop());
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  const clock = fakeClock();
  const pattern = new major.Redis(proxy.url, { lazyConnect: true });
  const rig = await ready(t, pattern, { clock });
  return { ...rig, server, proxy, clock };
}

/** Moves time until the breaker has closed: probes are sent by that clock. */
async function recovery({ clock, changes }: Pick<Ground, 'clock' | 'changes'>): Promise<void> {
  await eventually('the breaker closes', async () => {
    await clock.advance(50);
    return changes.at(-1) === 'recovered';
  });
}

/** The outcome of a call; undefined while there is none. */
function watched(call: Promise<unknown>): () => unknown {
  let outcome: unknown;
  call.then(
    () => (outcome = 'done'),
    (error: unknown) => (outcome = error),
  );
  return () => outcome;
}

const SILENCES: readonly { name: string; begin(g: Ground): Promise<() => Promise<void>> }[] = [
  { name: 'a black hole', begin: async ({ proxy }) => proxy.timeout('both') },
  { name: 'replies that vanish', begin: async ({ proxy }) => proxy.timeout('downstream') },
  {
    name: 'a server stopped by SIGSTOP',
    begin: async ({ server }) => {
      await server.pause();
      return () => server.resume();
    },
  },
];

for (const major of MAJORS) {
  for (const { name, begin } of SILENCES) {
    test(`G10 bounded delay: ${name} costs one deadline, then nothing, and the breaker closes after it (ioredis ${major.major})`, async (t) => {
      const g = await ground(t, major);
      const { entries, entry, clear, clock, changes } = g;
      const end = await begin(g);
      const read = watched(entries.read(entry('a'), [clear]));
      const lease = watched(entries.lease(entry('a'), newToken(), 1_000, undefined));
      await clock.advance(TIMEOUT - 1);
      t.is(read(), undefined);
      await clock.advance(1);
      for (const outcome of [read(), lease()]) {
        t.true(outcome instanceof StoreUnavailableError && outcome.outcome === 'unknown', String(outcome));
      }
      t.is(changes.length, 1);
      t.regex(changes[0]!, /^degraded: .* silent for 200 ms/);

      const refusal = await refusedAtOnce(entries.lease(entry('b'), newToken(), 1_000, undefined));
      t.is(refusal?.outcome, 'refused');
      t.true(watched(entries.read(entry('b'), [clear]))() === undefined, 'not before its tick is over');
      t.is(changes.length, 1, 'published once');

      await end();
      await recovery(g);
      t.deepEqual(await entries.read(entry('b'), [clear]), { record: null, nonces: [null] });
      t.is(changes.length, 2);
    });
  }

  test(`a connection that is silent for two probes is replaced (ioredis ${major.major})`, async (t) => {
    const g = await ground(t, major);
    const { entries, entry, clock, proxy } = g;
    const before = proxy.accepted;
    proxy.timeout('both');
    const read = watched(entries.read(entry('a'), []));
    await clock.advance(TIMEOUT);
    t.truthy(read());
    // A first pause of at most 100 ms, a probe, a second pause of at most 200 ms, a probe.
    await clock.advance(100 + TIMEOUT + 199);
    t.is(proxy.accepted, before, 'one silent probe is no reason');
    await clock.advance(1 + TIMEOUT);
    await eventually('there is a new connection', () => proxy.accepted > before);
    // The new one lies in the same hole: its handshake is never answered. The subscriber would notice after 5 s.
    const second = proxy.accepted;
    let passed = 0;
    await eventually('that one is given up too', async () => {
      if (passed < 3_000) await clock.advance(100);
      passed += 100;
      return proxy.accepted > second;
    });
    await proxy.heal();
    await recovery(g);
    await t.notThrowsAsync(entries.read(entry('a'), []));
  });

  test(`a silent subscriber is replaced (ioredis ${major.major})`, async (t) => {
    const rig = await ground(t, major);
    const { entry, listening, clock, proxy, woken, changes } = rig;
    await listening(entry('a'));
    const before = proxy.accepted;
    proxy.timeout('both');
    // No command is sent meanwhile: nothing else could notice.
    await clock.advance(10_000);
    await eventually('there is a new connection', async () => {
      await clock.advance(10);
      return proxy.accepted > before;
    });
    t.deepEqual(changes, []);
    await proxy.heal();
    await eventually('wakes arrive', async () => {
      await clock.advance(50);
      await endLoad(rig, 'a');
      return woken.includes(entry('a'));
    });
  });

  test(`G10 bounded delay: a lost connection rejects the commands in progress at once (ioredis ${major.major})`, async (t) => {
    const g = await ground(t, major);
    const { entries, entry, proxy, changes } = g;
    proxy.timeout('both');
    const token = newToken();
    const calls = [
      entries.read(entry('a'), []),
      entries.lease(entry('a'), token, 1_000, undefined),
      entries.remove([entry('a')]),
    ];
    await new Promise((resolve) => setImmediate(resolve));
    proxy.resetConnections();
    // No time passes here: it is the loss that ends them.
    for (const outcome of await Promise.allSettled(calls)) {
      const reason: unknown = outcome.status === 'rejected' && outcome.reason;
      t.true(reason instanceof StoreUnavailableError && reason.outcome === 'unknown', String(reason));
    }
    t.is(changes.length, 1);
    t.is((await refusedAtOnce(entries.release(entry('a'), token)))?.outcome, 'refused');
    await proxy.heal();
    await recovery(g);
    await t.notThrowsAsync(entries.read(entry('a'), []));
  });

  test(`a restarted server is used again (ioredis ${major.major})`, async (t) => {
    const g = await ground(t, major);
    const { entries, entry, server, changes } = g;
    await server.kill();
    await eventually('the loss is noticed', () => changes.length === 1);
    t.is((await refusedAtOnce(entries.remove([entry('a')])))?.outcome, 'refused');
    await server.restart();
    await recovery(g);
    const record = await store(entries, entry('a'));
    t.true(record.equals((await entries.read(entry('a'), [])).record!));
    t.is(changes.length, 2);
  });
}

test('G10 bounded delay: a store that never existed refuses: first within the deadline, then at once', async (t) => {
  const port = await freePort();
  const clock = fakeClock();
  const { entries, entry, changes } = open(t, `redis://127.0.0.1:${port}`, { clock });
  const error = await t.throwsAsync(entries.lease(entry('a'), newToken(), 1_000, undefined), {
    instanceOf: StoreUnavailableError,
  });
  t.is(error.outcome, 'refused', 'it was never sent');
  t.regex(error.message, /ECONNREFUSED/);
  t.is((await refusedAtOnce(entries.remove([entry('a')])))?.outcome, 'refused');
  t.is(changes.length, 1);
});

test('G10 bounded delay: a store that accepts and never answers refuses within the deadline, then at once', async (t) => {
  const server = await startRedis({ local: true });
  t.teardown(() => server.stop());
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  proxy.timeout('both');
  const clock = fakeClock();
  const g = open(t, proxy.url, { clock });
  const call = watched(g.entries.lease(g.entry('a'), newToken(), 1_000, undefined));
  await clock.advance(TIMEOUT);
  const error = call();
  t.true(error instanceof StoreUnavailableError && error.outcome === 'refused', String(error));
  t.is((await refusedAtOnce(g.entries.remove([g.entry('a')])))?.outcome, 'refused');
  await proxy.heal();
  await recovery({ clock, changes: g.changes });
  await t.notThrowsAsync(g.entries.remove([g.entry('a')]));
});

test('a call with a shorter timeout does not open the breaker before the common deadline', async (t) => {
  const { entries, entry, proxy, clock, changes } = await ground(t);
  proxy.timeout('both');
  const call = watched(entries.lease(entry('a'), newToken(), 1_000, undefined, 40));
  await clock.advance(39);
  t.is(call(), undefined);
  await clock.advance(1);
  t.true(call() instanceof StoreUnavailableError);
  t.deepEqual(changes, []);
  await clock.advance(TIMEOUT - 40);
  t.is(changes.length, 1);
});

test('five missed deadlines in a row open the breaker even if other data is received', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  const made: Redis[] = [];
  class Watched extends Redis {
    override duplicate(...args: Parameters<Redis['duplicate']>): Redis {
      const client = super.duplicate(...args);
      made.push(client);
      return client;
    }
  }
  const clock = fakeClock();
  const pattern = new Watched(proxy.url, { lazyConnect: true });
  const { entries, entry, changes } = await ready(t, pattern, { clock });
  // The reply to the first read comes for long, in small pieces, and all others wait behind it.
  await store(entries, entry('large'), 'x'.repeat(1_000_000));
  proxy.bandwidth(20_000, { direction: 'downstream' });
  const received = (): number => made.reduce((sum, { stream }) => sum + (stream?.bytesRead ?? 0), 0);
  const slow = async (calls: readonly Promise<unknown>[]): Promise<void> => {
    const outcomes = Promise.allSettled(calls);
    await new Promise((resolve) => setImmediate(resolve));
    const before = received();
    await eventually('something is received', () => received() > before);
    await clock.advance(TIMEOUT);
    t.true((await outcomes).every(({ status }) => status === 'rejected'));
  };
  const small = (): Promise<unknown> => entries.extend(entry('large'), newToken(), 1_000);
  await slow([entries.read(entry('large'), []), small(), small(), small()]);
  t.deepEqual(changes, []);
  await slow([small()]);
  t.is(changes.length, 1);
  t.regex(changes[0]!, /missed the deadline of \d+ ms 5 times in a row/);
});

test('a busy process does not count a reply in time as late', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  let now = 0;
  const due = new Set<() => void>();
  const clock: Clock = {
    now: () => now,
    random: () => 0.5,
    after: (_ms, task) => {
      due.add(task);
      return { cancel: () => void due.delete(task) };
    },
  };
  const { entries, entry, changes } = await ready(t, server.url, { clock });
  await entries.remove([entry('a')]);
  const calls = [entries.read(entry('a'), [], 50), entries.remove([entry('a')])];
  // As after a long task: timers come first, and only then what has arrived meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 1));
  const end = performance.now() + 1_000;
  while (performance.now() < end);
  now = 10_000;
  for (const task of due) task();
  await t.notThrowsAsync(Promise.all(calls));
  t.deepEqual(changes, []);
});

test('a command whose reply was lost gets the same reply when repeated', async (t) => {
  for (const major of MAJORS) {
    const g = await ground(t, major);
    const { entries, entry, proxy, tag, server } = g;
    const side = admin(t, server.url);
    const lost = async (what: string, call: () => Promise<unknown>): Promise<void> => {
      const { happened } = proxy.loseNextReply(what);
      const error = await t.throwsAsync(call(), { instanceOf: StoreUnavailableError });
      t.is(error.outcome, 'unknown');
      await happened;
      await recovery(g);
    };
    const token = newToken();
    const fresh = newToken();
    const record = valueOf(token);
    // From here on the server knows the scripts: a reply that says it does not is another matter.
    await store(entries, entry('b'));
    await entries.getOrCreateNonces([tag('b')], undefined, newToken(), 60_000);
    await entries.remove([entry('b')]);
    await lost(token, () => entries.lease(entry('a'), token, 60_000, undefined));
    t.is((await entries.lease(entry('a'), token, 60_000, undefined)).status, 'granted');
    await lost(token, () => entries.fill(entry('a'), token, record, LATER));
    t.is(await entries.fill(entry('a'), token, record, LATER), 'stored');
    t.true(record.equals((await side.getBuffer(entry('a')))!));
    await lost(fresh, () => entries.getOrCreateNonces([tag('a')], undefined, fresh, 60_000));
    t.deepEqual((await entries.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces, [fresh]);
    await lost(entry('a'), () => entries.remove([entry('a')]));
    await t.notThrowsAsync(entries.remove([entry('a')]));
  }
});

test('a command whose connection is lost is not sent again', async (t) => {
  for (const major of MAJORS) {
    const g = await ground(t, major);
    const { entries, entry, proxy, server } = g;
    const side = admin(t, server.url);
    const token = newToken();
    await entries.lease(entry('a'), token, 60_000, undefined);
    const { happened } = proxy.loseNextReply(token);
    await t.throwsAsync(entries.release(entry('a'), token));
    await happened;
    // Were it sent again, this lease would be released too.
    await side.set(entry('a'), Buffer.concat([Buffer.from([0xce, 1, 2, 0]), Buffer.from(token)]));
    await recovery(g);
    await entries.read(entry('a'), []);
    t.is(await side.exists(entry('a')), 1);
  }
});

test('G1 no resurrection: a fill that arrives after a removal is refused', async (t) => {
  const { entries, entry, proxy, clock, server, namespace, changes } = await ground(t);
  const other = await ready(t, server.url, { namespace });
  const token = newToken();
  await entries.lease(entry('a'), token, 60_000, undefined);
  const heal = proxy.timeout('both');
  const fill = watched(entries.fill(entry('a'), token, valueOf(token), LATER));
  await clock.advance(TIMEOUT);
  t.true(fill() instanceof StoreUnavailableError);
  await other.entries.remove([entry('a')]);
  const side = admin(t, server.url);
  await side.config('RESETSTAT');
  await heal();
  await recovery({ clock, changes });
  t.regex(await side.info('commandstats'), /cmdstat_evalsha/, 'it did land');
  t.is((await other.entries.read(entry('a'), [])).record, null);
});
