import type { ExecutionContext, TestFn } from 'ava';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { LockGrant, LockReply, LockRequest, LockStore } from '../../src/core/ports/lock-store.js';

/** A store under test, with names that only one test uses. */
export interface OpenLockStore {
  readonly store: LockStore;
  /** Returns the store key of a lock. */
  readonly lock: (key: string) => string;
  /** The names for which the opener was notified, in order. */
  woken(): readonly string[];
  /** Resolves when the opener has been notified for this name. Messages of one server arrive in order. */
  told(name: string): Promise<void>;
  /** Repeats `ask` until it resolves with true. Time passes meanwhile. */
  until(what: string, ask: () => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

/** Longer than any test, in ms. */
const LONG = 60_000;
/** A lease that a test waits for, in ms. It is long enough for the steps of a test on a busy machine. */
const SHORT = 300;

/** The contract of `LockStore`; see src/core/ports/lock-store.ts. */
export function lockStoreContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext) => Promise<OpenLockStore>,
  { single }: { readonly single: boolean },
): void {
  const it = (title: string, run: (t: ExecutionContext, opened: OpenLockStore) => Promise<void>): void => {
    test.serial(`${name}: ${title}`, async (t) => {
      const opened = await open(t);
      t.teardown(() => opened.close());
      t.is(opened.store.hasSingleAuthority, single);
      await run(t, opened);
    });
  };

  // --- one holder ----------------------------------------------------------------------------------------------------

  it('G8 locks: a lock is granted once until it is released', async (t, { store, lock }) => {
    const first = await granted(t, store, { keys: [lock('a')] });
    held(t, await store.acquire(request({ keys: [lock('a')] })));
    await granted(t, store, { keys: [lock('b')] });
    await first.release();
    await granted(t, store, { keys: [lock('a')] });
  });

  it('G8 locks: of many concurrent requests one is granted', async (t, { store, lock }) => {
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => store.acquire(request({ keys: [lock('a')] }))),
    );
    // With several servers it may be none, because each request may have won a minority of them.
    const winners = replies.filter(({ status }) => status === 'granted').length;
    t.true(winners === 1 || (!single && winners === 0), `${winners} were granted`);
    for (const reply of replies) if (reply.status !== 'granted') held(t, reply);
  });

  it('a lock ends with its lease, and a denial returns the time that is left', async (t, {
    store,
    lock,
    until,
  }) => {
    const first = await granted(t, store, { keys: [lock('a')], leaseMs: SHORT });
    const { forMs } = held(t, await store.acquire(request({ keys: [lock('a')] })));
    t.true(forMs > 0 && forMs <= SHORT, `${forMs} ms of ${SHORT}`);
    await until('the lease has ended', async () => {
      return (await store.acquire(request({ keys: [lock('a')] }))).status === 'granted';
    });
    t.is(await first.extend(SHORT), 'lost');
  });

  it('a lease is extended, also to an earlier end', async (t, { store, lock }) => {
    const first = await granted(t, store, { keys: [lock('a')], leaseMs: SHORT * 10 });
    t.is(await first.extend(LONG), 'extended');
    const { forMs } = held(t, await store.acquire(request({ keys: [lock('a')] })));
    t.true(forMs > SHORT * 10 && forMs <= LONG, `${forMs} ms`);
    t.is(await first.extend(SHORT * 10), 'extended');
    const nearer = held(t, await store.acquire(request({ keys: [lock('a')] })));
    t.true(nearer.forMs <= SHORT * 10, `${nearer.forMs} ms`);
  });

  it('G8 locks: a holder whose lease has ended can neither extend nor release the lock of another', async (t, {
    store,
    lock,
    until,
  }) => {
    const first = await granted(t, store, { keys: [lock('a')], leaseMs: SHORT });
    let second: LockGrant | undefined;
    await until('another has it', async () => {
      const reply = await store.acquire(request({ keys: [lock('a')] }));
      if (reply.status === 'granted') second = reply.grant;
      return second !== undefined;
    });
    t.is(await first.extend(LONG), 'lost');
    await first.release();
    held(t, await store.acquire(request({ keys: [lock('a')] })));
    t.is(await second!.extend(LONG), 'extended');
  });

  it('releasing twice has no effect', async (t, { store, lock }) => {
    const first = await granted(t, store, { keys: [lock('a')] });
    await first.release();
    const second = await granted(t, store, { keys: [lock('a')] });
    await first.release();
    t.is(await first.extend(LONG), 'lost');
    t.is(await second.extend(LONG), 'extended');
  });

  // --- several keys --------------------------------------------------------------------------------------------------

  it('several keys are granted together or not at all', async (t, { store, lock }) => {
    const keys = ['a', 'b', 'c', 'd', 'e'].map(lock).sort();
    const other = await granted(t, store, { keys: [keys[3]!] });
    held(t, await store.acquire(request({ keys })));
    // The keys that were acquired are released.
    const rest = await granted(t, store, { keys: keys.filter((key) => key !== keys[3]) });
    await rest.release();
    await other.release();
    const all = await granted(t, store, { keys });
    for (const key of keys) held(t, await store.acquire(request({ keys: [key] })));
    t.is(await all.extend(LONG), 'extended');
    await all.release();
    for (const key of keys) await granted(t, store, { keys: [key] });
  });

  it('G8 locks: the lease of several keys is lost with any of them', async (t, { store, lock, until }) => {
    const keys = ['a', 'b', 'c'].map(lock).sort();
    const all = await granted(t, store, { keys, leaseMs: SHORT });
    await until('another has one of them', async () => {
      const reply = await store.acquire(request({ keys: [keys[1]!] }));
      return reply.status === 'granted';
    });
    t.is(await all.extend(LONG), 'lost');
    await all.release();
    held(t, await store.acquire(request({ keys: [keys[1]!] })));
    await granted(t, store, { keys: [keys[0]!] });
  });

  // --- readers and a writer ------------------------------------------------------------------------------------------

  it('read-write lock: readers share, and block writers until the last one releases', async (t, {
    store,
    lock,
  }) => {
    const readers = await Promise.all(
      [1, 2, 3].map(() => granted(t, store, { keys: [lock('a')], permits: Infinity })),
    );
    for (const reader of readers) {
      held(t, await store.acquire(request({ keys: [lock('a')], ticketMs: 0 })));
      await reader.release();
    }
    await granted(t, store, { keys: [lock('a')] });
    held(t, await store.acquire(request({ keys: [lock('a')], permits: Infinity })));
  });

  it('read-write lock: the lease of each reader ends on its own', async (t, { store, lock, until }) => {
    const short = await granted(t, store, { keys: [lock('a')], permits: Infinity, leaseMs: SHORT });
    const long = await granted(t, store, { keys: [lock('a')], permits: Infinity, leaseMs: SHORT * 2 });
    const writer = request({ keys: [lock('a')], ticketMs: 0 });
    const { forMs } = held(t, await store.acquire(writer));
    t.true(forMs > SHORT && forMs <= SHORT * 2, `${forMs} ms: until the longest has ended`);
    await until('both have ended', async () => (await store.acquire(writer)).status === 'granted');
    t.is(await short.extend(LONG), 'lost');
    t.is(await long.extend(LONG), 'lost');
  });

  it('read-write lock: a reader whose lease has ended can neither extend nor release the lease of others', async (t, {
    store,
    lock,
    until,
  }) => {
    const short = await granted(t, store, { keys: [lock('a')], permits: Infinity, leaseMs: SHORT });
    const long = await granted(t, store, { keys: [lock('a')], permits: Infinity });
    const probe = await granted(t, store, { keys: [lock('probe')], leaseMs: SHORT });
    await until('its time has passed', async () => {
      return (await store.acquire(request({ keys: [lock('probe')] }))).status === 'granted';
    });
    t.is(await short.extend(LONG), 'lost');
    t.is(await probe.extend(LONG), 'lost');
    await short.release();
    held(t, await store.acquire(request({ keys: [lock('a')] })));
    t.is(await long.extend(LONG), 'extended');
  });

  it('read-write lock: a waiting writer precedes new readers until it gives up', async (t, {
    store,
    lock,
    told,
  }) => {
    const reader = await granted(t, store, { keys: [lock('a')], permits: Infinity });
    const writer = request({ keys: [lock('a')], ticketMs: LONG });
    held(t, await store.acquire(writer));
    held(t, await store.acquire(request({ keys: [lock('a')], permits: Infinity, ticketMs: LONG })));
    t.is(await reader.extend(LONG), 'extended');
    await store.abandon(writer);
    await told(lock('a'));
    await granted(t, store, { keys: [lock('a')], permits: Infinity });
  });

  it('read-write lock: a writer blocks no reader after its release', async (t, { store, lock, told }) => {
    const reader = await granted(t, store, { keys: [lock('a')], permits: Infinity });
    const writer = request({ keys: [lock('a')], ticketMs: LONG });
    held(t, await store.acquire(writer));
    await reader.release();
    await told(lock('a'));
    held(t, await store.acquire(request({ keys: [lock('a')], permits: Infinity, ticketMs: LONG })));
    const grant = await granted(t, store, writer);
    await grant.release();
    await granted(t, store, { keys: [lock('a')], permits: Infinity });
  });

  it('read-write lock: a writer that stops asking blocks no new readers', async (t, {
    store,
    lock,
    until,
  }) => {
    await granted(t, store, { keys: [lock('a')], permits: Infinity });
    held(t, await store.acquire(request({ keys: [lock('a')], ticketMs: SHORT })));
    held(t, await store.acquire(request({ keys: [lock('a')], permits: Infinity })));
    await until('readers are let in', async () => {
      const reply = await store.acquire(request({ keys: [lock('a')], permits: Infinity }));
      return reply.status === 'granted';
    });
  });

  it('read-write lock: a writer that asks once blocks no reader', async (t, { store, lock }) => {
    await granted(t, store, { keys: [lock('a')], permits: Infinity });
    held(t, await store.acquire(request({ keys: [lock('a')], ticketMs: 0 })));
    await granted(t, store, { keys: [lock('a')], permits: Infinity });
  });

  // --- wakeups -------------------------------------------------------------------------------------------------------

  it('a release wakes waiting callers, and publishes nothing if nobody waits', async (t, {
    store,
    lock,
    told,
    woken,
  }) => {
    const quiet = await granted(t, store, { keys: [lock('quiet')] });
    const awaited = await granted(t, store, { keys: [lock('awaited')] });
    held(t, await store.acquire(request({ keys: [lock('awaited')] })));
    await quiet.release();
    await awaited.release();
    await told(lock('awaited'));
    t.false(woken().includes(lock('quiet')));
    const again = await granted(t, store, { keys: [lock('awaited')] });
    const count = woken().length;
    await again.release();
    const last = await granted(t, store, { keys: [lock('last')] });
    held(t, await store.acquire(request({ keys: [lock('last')] })));
    await last.release();
    await told(lock('last'));
    t.false(woken().slice(count).includes(lock('awaited')), 'whoever waited has been told once');
  });

  it('read-write lock: only the last reader to release wakes a writer', async (t, {
    store,
    lock,
    told,
    woken,
  }) => {
    const first = await granted(t, store, { keys: [lock('a')], permits: Infinity });
    const second = await granted(t, store, { keys: [lock('a')], permits: Infinity });
    const other = await granted(t, store, { keys: [lock('b')] });
    held(t, await store.acquire(request({ keys: [lock('a')] })));
    held(t, await store.acquire(request({ keys: [lock('b')] })));
    await first.release();
    await other.release();
    await told(lock('b'));
    t.false(woken().includes(lock('a')));
    await second.release();
    await told(lock('a'));
  });

  it('the release of several keys wakes the waiters of each', async (t, { store, lock, told }) => {
    const keys = ['a', 'b', 'c'].map(lock).sort();
    const all = await granted(t, store, { keys });
    held(t, await store.acquire(request({ keys: [keys[0]!] })));
    held(t, await store.acquire(request({ keys: [keys[2]!] })));
    await all.release();
    await told(keys[0]!);
    await told(keys[2]!);
  });

  // --- close ---------------------------------------------------------------------------------------------------------

  it('after close nothing is granted and nothing is reported as lost', async (t, { store, lock, close }) => {
    const grant = await granted(t, store, { keys: [lock('a')] });
    await close();
    const reply = await store.acquire(request({ keys: [lock('b')] }));
    if (reply.status !== 'unavailable') return t.fail(reply.status);
    for (const { answer } of reply.servers) t.true(answer instanceof StoreUnavailableError);
    t.is(await grant.extend(LONG), 'unavailable');
    await t.throwsAsync(grant.release(), { instanceOf: StoreUnavailableError });
  });

  if (!single) {
    it('there is no fencing token', async (t, { store, lock }) => {
      t.is((await granted(t, store, { keys: [lock('a')] })).fencingToken, undefined);
    });
    return;
  }

  // --- single server -------------------------------------------------------------------------------------------------

  it('G8 locks: the fencing token grows with every grant', async (t, { store, lock, until }) => {
    let last = 0n;
    const grows = ({ fencingToken }: LockGrant): void => {
      t.true(fencingToken !== undefined && fencingToken > last, `${fencingToken} after ${last}`);
      last = fencingToken!;
    };
    const first = await granted(t, store, { keys: [lock('a')], leaseMs: SHORT });
    grows(first);
    await until('the first lease has ended', async () => {
      const reply = await store.acquire(request({ keys: [lock('a')] }));
      if (reply.status !== 'granted') return false;
      grows(reply.grant);
      await reply.grant.release();
      return true;
    });
    for (let i = 0; i < 10; i++) {
      const grant = await granted(t, store, { keys: [lock('a')] });
      grows(grant);
      await grant.extend(LONG);
      await grant.release();
    }
  });

  it('G8 locks: the fencing token of several keys is larger than all before and smaller than all after, for each key', async (t, {
    store,
    lock,
  }) => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'].map(lock).sort();
    const tokenOf = async (...some: readonly string[]): Promise<bigint> => {
      const grant = await granted(t, store, { keys: some });
      await grant.release();
      return grant.fencingToken!;
    };
    for (let round = 0; round < 3; round++) {
      const before = await Promise.all(keys.map((key) => tokenOf(key)));
      const together = await tokenOf(...keys);
      for (const token of before) t.true(token < together);
      const after = await Promise.all(keys.map((key) => tokenOf(key)));
      for (const token of after) t.true(token > together);
    }
  });

  it('there is no fencing token for shared locks and permits', async (t, { store, lock }) => {
    t.is((await granted(t, store, { keys: [lock('a')], permits: Infinity })).fencingToken, undefined);
    t.is((await granted(t, store, { keys: [lock('b')], permits: 2 })).fencingToken, undefined);
  });

  it('semaphore: as many callers as permits hold a lock', async (t, { store, lock, told }) => {
    const ask = { keys: [lock('a')], permits: 2 };
    const first = await granted(t, store, { ...ask, leaseMs: LONG });
    await granted(t, store, { ...ask, leaseMs: LONG / 2 });
    const { forMs } = held(t, await store.acquire(request(ask)));
    t.true(forMs <= LONG / 2, `${forMs} ms: one place is free when the first lease ends`);
    await first.release();
    await told(lock('a'));
    await granted(t, store, ask);
    held(t, await store.acquire(request(ask)));
  });

  it('semaphore: a permit is free when its lease ends', async (t, { store, lock, until }) => {
    const ask = { keys: [lock('a')], permits: 2 };
    await granted(t, store, ask);
    await granted(t, store, { ...ask, leaseMs: SHORT });
    await until('there is room', async () => (await store.acquire(request(ask))).status === 'granted');
    held(t, await store.acquire(request(ask)));
  });

  it('semaphore: a caller with another number of permits waits', async (t, { store, lock }) => {
    const holder = await granted(t, store, { keys: [lock('a')], permits: 3 });
    for (const permits of [1, 2, 4, Infinity])
      held(t, await store.acquire(request({ keys: [lock('a')], permits, ticketMs: 0 })));
    await granted(t, store, { keys: [lock('a')], permits: 3 });
    await holder.release();
    held(t, await store.acquire(request({ keys: [lock('a')], permits: 4, ticketMs: 0 })));
  });

  // --- fair locks ----------------------------------------------------------------------------------------------------

  it('fair lock: granted in the order of the tickets', async (t, { store, lock, told, woken }) => {
    const fair = (ticket: string) => request({ keys: [lock('a')], ticket, ticketMs: LONG });
    let holder = await granted(t, store, fair('z'));
    const waiting = ['c', 'a', 'b'];
    for (const ticket of waiting) held(t, await store.acquire(fair(ticket)));
    for (const ticket of waiting.toReversed()) held(t, await store.acquire(fair(ticket)));
    while (waiting.length > 0) {
      const next = waiting.shift()!;
      await holder.release();
      await told(`${lock('a')}#${next}`);
      for (const other of waiting) {
        held(t, await store.acquire(fair(other)));
        t.false(woken().includes(`${lock('a')}#${other}`));
      }
      holder = await granted(t, store, fair(next));
    }
  });

  it('fair lock: leaving the queue makes room for the next ticket', async (t, { store, lock, told }) => {
    const fair = (ticket: string) => request({ keys: [lock('a')], ticket, ticketMs: LONG });
    const holder = await granted(t, store, fair('first'));
    for (const ticket of ['a', 'b', 'c']) held(t, await store.acquire(fair(ticket)));
    await store.abandon(fair('b'));
    await holder.release();
    await told(`${lock('a')}#a`);
    held(t, await store.acquire(fair('c')));
    await store.abandon(fair('a'));
    await told(`${lock('a')}#c`);
    await granted(t, store, fair('c'));
  });

  it('fair lock: a ticket that stops asking loses its place', async (t, { store, lock, until }) => {
    const fair = (ticket: string, ticketMs: number) => request({ keys: [lock('a')], ticket, ticketMs });
    const holder = await granted(t, store, fair('first', LONG));
    held(t, await store.acquire(fair('dead', SHORT)));
    held(t, await store.acquire(fair('alive', LONG)));
    await holder.release();
    const { forMs } = held(t, await store.acquire(fair('alive', LONG)));
    t.true(forMs <= SHORT, `${forMs} ms: as long as the head keeps its place`);
    await until('it is the next one’s turn', async () => {
      return (await store.acquire(fair('alive', LONG))).status === 'granted';
    });
  });

  it('fair lock: a ticket that asks once takes no place', async (t, { store, lock }) => {
    const fair = (ticket: string, ticketMs: number) => request({ keys: [lock('a')], ticket, ticketMs });
    const holder = await granted(t, store, fair('first', 0));
    held(t, await store.acquire(fair('once', 0)));
    await holder.release();
    await granted(t, store, fair('other', 0));
  });

  it('fair lock: with permits left, the next in the queue is woken', async (t, { store, lock, told }) => {
    const fair = (ticket: string) => request({ keys: [lock('a')], permits: 2, ticket, ticketMs: LONG });
    const first = await granted(t, store, fair('1'));
    const second = await granted(t, store, fair('2'));
    for (const ticket of ['3', '4']) held(t, await store.acquire(fair(ticket)));
    await first.release();
    await told(`${lock('a')}#3`);
    await second.release();
    held(t, await store.acquire(fair('4')));
    await granted(t, store, fair('3'));
    await told(`${lock('a')}#4`);
    await granted(t, store, fair('4'));
  });
}

function request(parts: Partial<LockRequest> & Pick<LockRequest, 'keys'>): LockRequest {
  return { leaseMs: LONG, permits: 1, ticket: undefined, ticketMs: 1_000, ...parts };
}

async function granted(
  t: ExecutionContext,
  store: LockStore,
  parts: Partial<LockRequest> & Pick<LockRequest, 'keys'>,
): Promise<LockGrant> {
  const reply = await store.acquire(request(parts));
  if (reply.status === 'granted') return reply.grant;
  t.fail(`Expected ${parts.keys.join(', ')} to be granted, and it is ${reply.status}.`);
  throw new Error('Not granted.');
}

function held(t: ExecutionContext, reply: LockReply): Extract<LockReply, { status: 'held' }> {
  if (reply.status === 'held') return reply;
  t.fail(`Expected it to be held, and it is ${reply.status}.`);
  throw new Error('Not held.');
}
