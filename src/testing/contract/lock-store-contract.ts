import assert from 'node:assert/strict';
import { StoreUnavailableError } from '../../core/shared/errors.js';
import type { LockGrant, LockReply, LockRequest, LockStore } from '../../core/ports/lock-store.js';
import { testsOf, type ContractOptions, type ContractTest, type OpenAdapter } from './contract-test.js';
import { contractTest, type OpenedAdapter } from './opened-adapter.js';

interface OpenedLocks extends OpenedAdapter {
  readonly store: LockStore;
}

/** Longer than any test, in ms. */
const LONG = 60_000;
/** A lease that a test waits for, in ms. It is long enough for the steps of a test on a busy machine. */
const SHORT = 300;

/**
 * The contract of `LockStore`.
 *
 * @throws OptionsError
 */
export function lockStoreContract(open: OpenAdapter, options: ContractOptions = {}): readonly ContractTest[] {
  return testsOf('lockStoreContract', options, ({ hasSingleAuthority }) =>
    lockStoreTests(open, hasSingleAuthority),
  );
}

function lockStoreTests(open: OpenAdapter, single: boolean): readonly ContractTest[] {
  const tests: ContractTest[] = [];
  const it = (title: string, test: (opened: OpenedLocks) => Promise<void>): void => {
    tests.push(
      contractTest(open, title, async (opened) => {
        const store = opened.backend.locks;
        assert.equal(store.hasSingleAuthority, single, 'hasSingleAuthority is that of the options');
        await test({ ...opened, store });
      }),
    );
  };

  // --- one holder ----------------------------------------------------------------------------------------------------

  it('G8 locks: a lock is granted once until it is released', async ({ store, lock }) => {
    const first = await granted(store, { keys: [lock('a')] });
    held(await store.acquire(request({ keys: [lock('a')] })));
    await granted(store, { keys: [lock('b')] });
    await first.release();
    await granted(store, { keys: [lock('a')] });
  });

  it('G8 locks: of many concurrent requests one is granted', async ({ store, lock }) => {
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => store.acquire(request({ keys: [lock('a')] }))),
    );
    // With several servers it may be none, because each request may have won a minority of them.
    const winners = replies.filter(({ status }) => status === 'granted').length;
    assert.ok(winners === 1 || (!single && winners === 0), `${winners} were granted`);
    for (const reply of replies) if (reply.status !== 'granted') held(reply);
  });

  it('a lock ends with its lease, and a denial returns the time that is left', async ({
    store,
    lock,
    until,
  }) => {
    const first = await granted(store, { keys: [lock('a')], leaseMs: SHORT });
    const { forMs } = held(await store.acquire(request({ keys: [lock('a')] })));
    assert.ok(forMs > 0 && forMs <= SHORT, `${forMs} ms of ${SHORT}`);
    await until('the lease has ended', async () => {
      return (await store.acquire(request({ keys: [lock('a')] }))).status === 'granted';
    });
    assert.equal(await first.extend(SHORT), 'lost');
  });

  it('a lease is extended, also to an earlier end', async ({ store, lock }) => {
    const first = await granted(store, { keys: [lock('a')], leaseMs: SHORT * 10 });
    assert.equal(await first.extend(LONG), 'extended');
    const { forMs } = held(await store.acquire(request({ keys: [lock('a')] })));
    assert.ok(forMs > SHORT * 10 && forMs <= LONG, `${forMs} ms`);
    assert.equal(await first.extend(SHORT * 10), 'extended');
    const nearer = held(await store.acquire(request({ keys: [lock('a')] })));
    assert.ok(nearer.forMs <= SHORT * 10, `${nearer.forMs} ms`);
  });

  it('G8 locks: a holder whose lease has ended can neither extend nor release the lock of another', async ({
    store,
    lock,
    until,
  }) => {
    const first = await granted(store, { keys: [lock('a')], leaseMs: SHORT });
    let second: LockGrant | undefined;
    await until('another has it', async () => {
      const reply = await store.acquire(request({ keys: [lock('a')] }));
      if (reply.status === 'granted') second = reply.grant;
      return second !== undefined;
    });
    assert.equal(await first.extend(LONG), 'lost');
    await first.release();
    held(await store.acquire(request({ keys: [lock('a')] })));
    assert.equal(await second!.extend(LONG), 'extended');
  });

  it('releasing twice has no effect', async ({ store, lock }) => {
    const first = await granted(store, { keys: [lock('a')] });
    await first.release();
    const second = await granted(store, { keys: [lock('a')] });
    await first.release();
    assert.equal(await first.extend(LONG), 'lost');
    assert.equal(await second.extend(LONG), 'extended');
  });

  // --- several keys --------------------------------------------------------------------------------------------------

  it('several keys are granted together or not at all', async ({ store, lock }) => {
    const keys = ['a', 'b', 'c', 'd', 'e'].map(lock).sort();
    const other = await granted(store, { keys: [keys[3]!] });
    held(await store.acquire(request({ keys })));
    // The keys that were acquired are released.
    const rest = await granted(store, { keys: keys.filter((key) => key !== keys[3]) });
    await rest.release();
    await other.release();
    const all = await granted(store, { keys });
    for (const key of keys) held(await store.acquire(request({ keys: [key] })));
    assert.equal(await all.extend(LONG), 'extended');
    await all.release();
    for (const key of keys) await granted(store, { keys: [key] });
  });

  it('G8 locks: the lease of several keys is lost with any of them', async ({ store, lock, until }) => {
    const keys = ['a', 'b', 'c'].map(lock).sort();
    const all = await granted(store, { keys, leaseMs: SHORT });
    await until('another has one of them', async () => {
      const reply = await store.acquire(request({ keys: [keys[1]!] }));
      return reply.status === 'granted';
    });
    assert.equal(await all.extend(LONG), 'lost');
    await all.release();
    held(await store.acquire(request({ keys: [keys[1]!] })));
    await granted(store, { keys: [keys[0]!] });
  });

  // --- readers and a writer ------------------------------------------------------------------------------------------

  it('read-write lock: readers share, and block writers until the last one releases', async ({
    store,
    lock,
  }) => {
    const readers = await Promise.all(
      [1, 2, 3].map(() => granted(store, { keys: [lock('a')], permits: Infinity })),
    );
    for (const reader of readers) {
      held(await store.acquire(request({ keys: [lock('a')], ticketMs: 0 })));
      await reader.release();
    }
    await granted(store, { keys: [lock('a')] });
    held(await store.acquire(request({ keys: [lock('a')], permits: Infinity })));
  });

  it('read-write lock: the lease of each reader ends on its own', async ({ store, lock, until }) => {
    const short = await granted(store, { keys: [lock('a')], permits: Infinity, leaseMs: SHORT });
    const long = await granted(store, { keys: [lock('a')], permits: Infinity, leaseMs: SHORT * 2 });
    const writer = request({ keys: [lock('a')], ticketMs: 0 });
    const { forMs } = held(await store.acquire(writer));
    assert.ok(forMs > SHORT && forMs <= SHORT * 2, `${forMs} ms: until the longest has ended`);
    await until('both have ended', async () => (await store.acquire(writer)).status === 'granted');
    assert.equal(await short.extend(LONG), 'lost');
    assert.equal(await long.extend(LONG), 'lost');
  });

  it('read-write lock: a reader whose lease has ended can neither extend nor release the lease of others', async ({
    store,
    lock,
    until,
  }) => {
    const short = await granted(store, { keys: [lock('a')], permits: Infinity, leaseMs: SHORT });
    const long = await granted(store, { keys: [lock('a')], permits: Infinity });
    const probe = await granted(store, { keys: [lock('probe')], leaseMs: SHORT });
    await until('its time has passed', async () => {
      return (await store.acquire(request({ keys: [lock('probe')] }))).status === 'granted';
    });
    assert.equal(await short.extend(LONG), 'lost');
    assert.equal(await probe.extend(LONG), 'lost');
    await short.release();
    held(await store.acquire(request({ keys: [lock('a')] })));
    assert.equal(await long.extend(LONG), 'extended');
  });

  it('read-write lock: a waiting writer precedes new readers until it gives up', async ({
    store,
    lock,
    told,
    listening,
  }) => {
    await listening(lock('a'));
    const reader = await granted(store, { keys: [lock('a')], permits: Infinity });
    const writer = request({ keys: [lock('a')], ticketMs: LONG });
    held(await store.acquire(writer));
    held(await store.acquire(request({ keys: [lock('a')], permits: Infinity, ticketMs: LONG })));
    assert.equal(await reader.extend(LONG), 'extended');
    await store.abandon(writer);
    await told(lock('a'));
    await granted(store, { keys: [lock('a')], permits: Infinity });
  });

  it('read-write lock: a writer blocks no reader after its release', async ({
    store,
    lock,
    told,
    listening,
  }) => {
    await listening(lock('a'));
    const reader = await granted(store, { keys: [lock('a')], permits: Infinity });
    const writer = request({ keys: [lock('a')], ticketMs: LONG });
    held(await store.acquire(writer));
    await reader.release();
    await told(lock('a'));
    held(await store.acquire(request({ keys: [lock('a')], permits: Infinity, ticketMs: LONG })));
    const grant = await granted(store, writer);
    await grant.release();
    await granted(store, { keys: [lock('a')], permits: Infinity });
  });

  it('read-write lock: a writer that stops asking blocks no new readers', async ({ store, lock, until }) => {
    await granted(store, { keys: [lock('a')], permits: Infinity });
    held(await store.acquire(request({ keys: [lock('a')], ticketMs: SHORT })));
    held(await store.acquire(request({ keys: [lock('a')], permits: Infinity })));
    await until('readers are let in', async () => {
      const reply = await store.acquire(request({ keys: [lock('a')], permits: Infinity }));
      return reply.status === 'granted';
    });
  });

  it('read-write lock: a writer that asks once blocks no reader', async ({ store, lock }) => {
    await granted(store, { keys: [lock('a')], permits: Infinity });
    held(await store.acquire(request({ keys: [lock('a')], ticketMs: 0 })));
    await granted(store, { keys: [lock('a')], permits: Infinity });
  });

  // --- wakeups -------------------------------------------------------------------------------------------------------

  it('a release wakes waiting callers, and publishes nothing if nobody waits', async ({
    store,
    lock,
    told,
    woken,
    listening,
  }) => {
    await listening(lock('quiet'), lock('awaited'), lock('last'));
    const quiet = await granted(store, { keys: [lock('quiet')] });
    const awaited = await granted(store, { keys: [lock('awaited')] });
    held(await store.acquire(request({ keys: [lock('awaited')] })));
    await quiet.release();
    await awaited.release();
    await told(lock('awaited'));
    assert.equal(woken().includes(lock('quiet')), false);
    const again = await granted(store, { keys: [lock('awaited')] });
    const count = woken().length;
    await again.release();
    const last = await granted(store, { keys: [lock('last')] });
    held(await store.acquire(request({ keys: [lock('last')] })));
    await last.release();
    await told(lock('last'));
    assert.equal(woken().slice(count).includes(lock('awaited')), false, 'whoever waited has been told once');
  });

  it('read-write lock: only the last reader to release wakes a writer', async ({
    store,
    lock,
    told,
    woken,
    listening,
  }) => {
    await listening(lock('a'), lock('b'));
    const first = await granted(store, { keys: [lock('a')], permits: Infinity });
    const second = await granted(store, { keys: [lock('a')], permits: Infinity });
    const other = await granted(store, { keys: [lock('b')] });
    held(await store.acquire(request({ keys: [lock('a')] })));
    held(await store.acquire(request({ keys: [lock('b')] })));
    await first.release();
    await other.release();
    await told(lock('b'));
    assert.equal(woken().includes(lock('a')), false);
    await second.release();
    await told(lock('a'));
  });

  it('the release of several keys wakes the waiters of each', async ({ store, lock, told, listening }) => {
    const keys = ['a', 'b', 'c'].map(lock).sort();
    await listening(...keys);
    const all = await granted(store, { keys });
    held(await store.acquire(request({ keys: [keys[0]!] })));
    held(await store.acquire(request({ keys: [keys[2]!] })));
    await all.release();
    await told(keys[0]!);
    await told(keys[2]!);
  });

  // --- close ---------------------------------------------------------------------------------------------------------

  it('after close nothing is granted and nothing is reported as lost', async ({ store, lock, close }) => {
    const grant = await granted(store, { keys: [lock('a')] });
    await close();
    const reply = await store.acquire(request({ keys: [lock('b')] }));
    if (reply.status !== 'unavailable') assert.fail(reply.status);
    for (const { answer } of reply.servers) assert.ok(answer instanceof StoreUnavailableError);
    assert.equal(await grant.extend(LONG), 'unavailable');
    await assert.rejects(grant.release(), StoreUnavailableError);
  });

  if (!single) {
    it('there is no fencing token', async ({ store, lock }) => {
      assert.equal((await granted(store, { keys: [lock('a')] })).fencingToken, undefined);
    });
    return tests;
  }

  // --- single server -------------------------------------------------------------------------------------------------

  it('G8 locks: the fencing token grows with every grant', async ({ store, lock, until }) => {
    let last = 0n;
    const grows = ({ fencingToken }: LockGrant): void => {
      assert.ok(fencingToken !== undefined && fencingToken > last, `${fencingToken} after ${last}`);
      last = fencingToken!;
    };
    const first = await granted(store, { keys: [lock('a')], leaseMs: SHORT });
    grows(first);
    await until('the first lease has ended', async () => {
      const reply = await store.acquire(request({ keys: [lock('a')] }));
      if (reply.status !== 'granted') return false;
      grows(reply.grant);
      await reply.grant.release();
      return true;
    });
    for (let i = 0; i < 10; i++) {
      const grant = await granted(store, { keys: [lock('a')] });
      grows(grant);
      await grant.extend(LONG);
      await grant.release();
    }
  });

  it('G8 locks: the fencing token of several keys is larger than all before and smaller than all after, for each key', async ({
    store,
    lock,
  }) => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'].map(lock).sort();
    const tokenOf = async (...some: readonly string[]): Promise<bigint> => {
      const grant = await granted(store, { keys: some });
      await grant.release();
      return grant.fencingToken!;
    };
    for (let round = 0; round < 3; round++) {
      const before = await Promise.all(keys.map((key) => tokenOf(key)));
      const together = await tokenOf(...keys);
      for (const token of before) assert.ok(token < together);
      const after = await Promise.all(keys.map((key) => tokenOf(key)));
      for (const token of after) assert.ok(token > together);
    }
  });

  it('there is no fencing token for shared locks and permits', async ({ store, lock }) => {
    assert.equal((await granted(store, { keys: [lock('a')], permits: Infinity })).fencingToken, undefined);
    assert.equal((await granted(store, { keys: [lock('b')], permits: 2 })).fencingToken, undefined);
  });

  it('semaphore: as many callers as permits hold a lock', async ({ store, lock, told, listening }) => {
    await listening(lock('a'));
    const ask = { keys: [lock('a')], permits: 2 };
    const first = await granted(store, { ...ask, leaseMs: LONG });
    await granted(store, { ...ask, leaseMs: LONG / 2 });
    const { forMs } = held(await store.acquire(request(ask)));
    assert.ok(forMs <= LONG / 2, `${forMs} ms: one place is free when the first lease ends`);
    await first.release();
    await told(lock('a'));
    await granted(store, ask);
    held(await store.acquire(request(ask)));
  });

  it('semaphore: a permit is free when its lease ends', async ({ store, lock, until }) => {
    const ask = { keys: [lock('a')], permits: 2 };
    await granted(store, ask);
    await granted(store, { ...ask, leaseMs: SHORT });
    await until('there is room', async () => (await store.acquire(request(ask))).status === 'granted');
    held(await store.acquire(request(ask)));
  });

  it('semaphore: a caller with another number of permits waits', async ({ store, lock }) => {
    const holder = await granted(store, { keys: [lock('a')], permits: 3 });
    for (const permits of [1, 2, 4, Infinity])
      held(await store.acquire(request({ keys: [lock('a')], permits, ticketMs: 0 })));
    await granted(store, { keys: [lock('a')], permits: 3 });
    await holder.release();
    held(await store.acquire(request({ keys: [lock('a')], permits: 4, ticketMs: 0 })));
  });

  // --- fair locks ----------------------------------------------------------------------------------------------------

  it('fair lock: granted in the order of the tickets', async ({ store, lock, told, woken, listening }) => {
    await listening(...['a', 'b', 'c'].map((ticket) => `${lock('a')}#${ticket}`));
    const fair = (ticket: string) => request({ keys: [lock('a')], ticket, ticketMs: LONG });
    let holder = await granted(store, fair('z'));
    const waiting = ['c', 'a', 'b'];
    for (const ticket of waiting) held(await store.acquire(fair(ticket)));
    for (const ticket of waiting.toReversed()) held(await store.acquire(fair(ticket)));
    while (waiting.length > 0) {
      const next = waiting.shift()!;
      await holder.release();
      await told(`${lock('a')}#${next}`);
      for (const other of waiting) {
        held(await store.acquire(fair(other)));
        assert.equal(woken().includes(`${lock('a')}#${other}`), false);
      }
      holder = await granted(store, fair(next));
    }
  });

  it('fair lock: leaving the queue makes room for the next ticket', async ({
    store,
    lock,
    told,
    listening,
  }) => {
    await listening(...['a', 'c'].map((ticket) => `${lock('a')}#${ticket}`));
    const fair = (ticket: string) => request({ keys: [lock('a')], ticket, ticketMs: LONG });
    const holder = await granted(store, fair('first'));
    for (const ticket of ['a', 'b', 'c']) held(await store.acquire(fair(ticket)));
    await store.abandon(fair('b'));
    await holder.release();
    await told(`${lock('a')}#a`);
    held(await store.acquire(fair('c')));
    await store.abandon(fair('a'));
    await told(`${lock('a')}#c`);
    await granted(store, fair('c'));
  });

  it('fair lock: a ticket that stops asking loses its place', async ({ store, lock, until }) => {
    const fair = (ticket: string, ticketMs: number) => request({ keys: [lock('a')], ticket, ticketMs });
    const holder = await granted(store, fair('first', LONG));
    held(await store.acquire(fair('dead', SHORT)));
    held(await store.acquire(fair('alive', LONG)));
    await holder.release();
    const { forMs } = held(await store.acquire(fair('alive', LONG)));
    assert.ok(forMs <= SHORT, `${forMs} ms: as long as the head keeps its place`);
    await until('it is the next one’s turn', async () => {
      return (await store.acquire(fair('alive', LONG))).status === 'granted';
    });
  });

  it('fair lock: a ticket that asks once takes no place', async ({ store, lock }) => {
    const fair = (ticket: string, ticketMs: number) => request({ keys: [lock('a')], ticket, ticketMs });
    const holder = await granted(store, fair('first', 0));
    held(await store.acquire(fair('once', 0)));
    await holder.release();
    await granted(store, fair('other', 0));
  });

  it('fair lock: with permits left, the next in the queue is woken', async ({
    store,
    lock,
    told,
    listening,
  }) => {
    await listening(...['3', '4'].map((ticket) => `${lock('a')}#${ticket}`));
    const fair = (ticket: string) => request({ keys: [lock('a')], permits: 2, ticket, ticketMs: LONG });
    const first = await granted(store, fair('1'));
    const second = await granted(store, fair('2'));
    for (const ticket of ['3', '4']) held(await store.acquire(fair(ticket)));
    await first.release();
    await told(`${lock('a')}#3`);
    await second.release();
    held(await store.acquire(fair('4')));
    await granted(store, fair('3'));
    await told(`${lock('a')}#4`);
    await granted(store, fair('4'));
  });

  return tests;
}

function request(parts: Partial<LockRequest> & Pick<LockRequest, 'keys'>): LockRequest {
  return { leaseMs: LONG, permits: 1, ticket: undefined, ticketMs: 1_000, ...parts };
}

async function granted(
  store: LockStore,
  parts: Partial<LockRequest> & Pick<LockRequest, 'keys'>,
): Promise<LockGrant> {
  const reply = await store.acquire(request(parts));
  if (reply.status === 'granted') return reply.grant;
  return assert.fail(`Expected ${parts.keys.join(', ')} to be granted, and it is ${reply.status}.`);
}

function held(reply: LockReply): Extract<LockReply, { status: 'held' }> {
  if (reply.status === 'held') return reply;
  return assert.fail(`Expected it to be held, and it is ${reply.status}.`);
}
