import { Buffer } from 'node:buffer';
import type { ExecutionContext, TestFn } from 'ava';
import type { SessionDraft, SessionStore } from '../../src/core/ports/session-store.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import { newToken } from '../../src/core/shared/token.js';

/** A store under test, with names that only one test uses. */
export interface OpenSessions {
  readonly store: SessionStore;
  /** As `sessionPrefix`. */
  readonly prefix: string;
  /** As `sessionKey`. */
  readonly session: (handle: string) => string;
  /** As `sessionUserKey`. */
  readonly user: (user: string) => string;
  /** Resolves when the condition holds. Time passes meanwhile. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
  /** Removes what is known of the user, as an eviction does. */
  evict(userKey: string): Promise<void>;
  close(): Promise<void>;
}

/** A ttl that does not end while a test runs, in ms. */
const LONG = 3_600_000;
/** A ttl that ends while a test runs, in ms. */
const SHORT = 1_500;

const PROOF = { proof: 'proof' };

function draftOf(draft: Partial<SessionDraft> = {}): SessionDraft {
  return {
    ...{ proof: 'proof', user: '', epoch: '', ttlMs: LONG, maxAgeMs: undefined, meta: 'meta' },
    payload: Buffer.from([0, 255, 13, 10, 128]),
    ...draft,
  };
}

/** The contract of `SessionStore`; see src/core/ports/session-store.ts. */
export function sessionStoreContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext) => Promise<OpenSessions>,
): void {
  const it = (title: string, run: (t: ExecutionContext, opened: OpenSessions) => Promise<void>): void => {
    test.serial(`${name}: sessions: ${title}`, async (t) => {
      const opened = await open(t);
      t.teardown(() => opened.close());
      await run(t, opened);
    });
  };

  it('what was created is read, byte for byte', async (t, { store, session }) => {
    const draft = draftOf({ user: 'Ülrike {1}', epoch: 'e1', meta: '{"é":"\\u0000"}' });
    t.true(await store.create(session('h'), draft));
    const found = await store.read(session('h'), PROOF);
    t.like(found, { user: draft.user, epoch: 'e1', meta: draft.meta, version: 1 });
    t.deepEqual(found!.payload, draft.payload);
    t.true(found!.ageMs >= 0 && found!.ageMs < 60_000);
    t.true(found!.expiresInMs > LONG - 60_000 && found!.expiresInMs <= LONG);
  });

  it('an existing session is not created again', async (t, { store, session }) => {
    t.true(await store.create(session('h'), draftOf()));
    t.false(await store.create(session('h'), draftOf({ proof: 'other' })));
    t.is(await store.read(session('h'), { proof: 'other' }), undefined);
  });

  it('only the right proof, or the right user, finds a session', async (t, { store, session }) => {
    await store.create(session('h'), draftOf({ user: 'u' }));
    for (const wrong of [{ proof: 'other' }, { proof: '' }, { user: 'v' }, { user: '' }]) {
      t.is(await store.read(session('h'), wrong), undefined);
      t.is(await store.touch(session('h'), wrong, { ttlMs: LONG }), undefined);
      t.is(await store.update(session('h'), wrong, { payload: Buffer.from('x') }), undefined);
      t.false(await store.remove(session('h'), wrong, 0));
    }
    t.is((await store.read(session('h'), { user: 'u' }))?.version, 1);
  });

  it('what does not exist is not found by any verb', async (t, { store, session, user }) => {
    t.is(await store.read(session('h'), PROOF), undefined);
    t.is(await store.read(session('h'), { user: '' }), undefined);
    t.is(await store.touch(session('h'), PROOF, { ttlMs: LONG }), undefined);
    t.is(await store.update(session('h'), PROOF, { proof: 'new' }), undefined);
    t.false(await store.remove(session('h'), PROOF, 0));
    t.false(await store.isCurrent(user('u'), 'h', 'e1'));
    t.deepEqual(await store.handles(user('u')), []);
    t.is(await store.revoke(user('u'), 'e2'), undefined);
  });

  it('a session ends after its ttl, and no verb finds it then', async (t, { store, session, until }) => {
    await store.create(session('h'), draftOf({ ttlMs: SHORT }));
    await until('the end', async () => (await store.read(session('h'), PROOF)) === undefined);
    t.is(await store.touch(session('h'), PROOF, { ttlMs: LONG }), undefined);
    t.is(await store.update(session('h'), PROOF, { ttlMs: LONG }), undefined);
    t.true(await store.create(session('h'), draftOf()));
  });

  it('read and touch extend a session, and replace its meta on request', async (t, { store, session }) => {
    await store.create(session('h'), draftOf({ ttlMs: 60_000 }));
    t.true((await store.read(session('h'), PROOF))!.expiresInMs <= 60_000);
    t.true((await store.read(session('h'), PROOF, { ttlMs: LONG }))!.expiresInMs > 60_000);
    const touched = await store.touch(session('h'), PROOF, { ttlMs: 2 * LONG, meta: 'new' });
    t.true(touched!.expiresInMs > LONG);
    t.like(await store.read(session('h'), PROOF), { meta: 'new', version: 1 });
  });

  it('nothing extends a session beyond its latest end', async (t, { store, session }) => {
    await store.create(session('h'), draftOf({ maxAgeMs: 60_000 }));
    const left = async () => (await store.read(session('h'), PROOF))!.expiresInMs;
    t.true((await left()) <= 60_000);
    await store.touch(session('h'), PROOF, { ttlMs: LONG });
    t.true((await left()) <= 60_000);
    await store.update(session('h'), PROOF, { ttlMs: LONG });
    t.true((await left()) <= 60_000);
    await store.save(session('h'), draftOf({ ttlMs: LONG, maxAgeMs: LONG }));
    t.true((await left()) <= 60_000);
  });

  it('a login begins the latest end anew', async (t, { store, session }) => {
    await store.create(session('h'), draftOf({ maxAgeMs: 60_000 }));
    const login = { user: 'u', epoch: 'e1', maxAgeMs: LONG };
    const found = await store.update(session('h'), PROOF, { login, ttlMs: LONG });
    t.true(found !== 'conflict' && found!.expiresInMs > 60_000);
    const unbounded = { ...login, maxAgeMs: undefined };
    const later = await store.update(session('h'), PROOF, { login: unbounded, ttlMs: 2 * LONG });
    t.true(later !== 'conflict' && later!.expiresInMs > LONG);
  });

  it('an update changes what it names, and keeps the rest', async (t, { store, session }) => {
    await store.create(session('h'), draftOf({ user: 'u', epoch: 'e1', ttlMs: 60_000 }));
    const payload = Buffer.from('new');
    const updated = await store.update(session('h'), PROOF, { payload });
    t.like(updated, { version: 2, user: 'u', epoch: 'e1', meta: 'meta' });
    t.deepEqual((await store.read(session('h'), PROOF))!.payload, payload);
    t.true((await store.read(session('h'), PROOF))!.expiresInMs <= 60_000);
    await store.update(session('h'), PROOF, { proof: 'next' });
    t.is(await store.read(session('h'), PROOF), undefined);
    t.deepEqual((await store.read(session('h'), { proof: 'next' }))!.payload, payload);
  });

  it('an update for another version changes nothing', async (t, { store, session }) => {
    await store.create(session('h'), draftOf());
    t.like(await store.update(session('h'), PROOF, { version: 1, payload: Buffer.from('a') }), {
      version: 2,
    });
    t.is(await store.update(session('h'), PROOF, { version: 1, payload: Buffer.from('b') }), 'conflict');
    t.is((await store.read(session('h'), PROOF))!.payload.toString(), 'a');
  });

  it('of many concurrent updates of one proof, one succeeds', async (t, { store, session }) => {
    await store.create(session('h'), draftOf());
    const updates = Array.from({ length: 20 }, (_, i) =>
      store.update(session('h'), PROOF, { proof: `next ${i}` }),
    );
    const done = (await Promise.all(updates)).filter((reply) => reply !== undefined);
    t.is(done.length, 1);
  });

  it('save creates a session, and replaces its data, not its age or latest end', async (t, opened) => {
    const { store, session } = opened;
    t.deepEqual(await store.save(session('h'), draftOf({ ttlMs: 60_000 })), { status: 'saved' });
    const payload = Buffer.from('new');
    t.deepEqual(await store.save(session('h'), draftOf({ payload, meta: 'other' })), { status: 'saved' });
    const found = await store.read(session('h'), PROOF);
    t.like(found, { version: 2, meta: 'other' });
    t.deepEqual(found!.payload, payload);
    t.true(found!.expiresInMs > 60_000);
  });

  it('a session that was removed is not saved for a time', async (t, { store, session, until }) => {
    await store.save(session('h'), draftOf());
    t.true(await store.remove(session('h'), undefined, SHORT));
    t.deepEqual(await store.save(session('h'), draftOf()), { status: 'removed' });
    t.is(await store.read(session('h'), PROOF), undefined);
    await until('a save', async () => (await store.save(session('h'), draftOf())).status === 'saved');
  });

  it('a session is also blocked if it is removed before it exists', async (t, { store, session }) => {
    t.false(await store.remove(session('h'), undefined, LONG));
    t.deepEqual(await store.save(session('h'), draftOf()), { status: 'removed' });
  });

  it('save keeps the epoch of the same user, and names another user', async (t, { store, session }) => {
    const saved = { status: 'saved' };
    await store.save(session('h'), draftOf());
    t.deepEqual(await store.save(session('h'), draftOf({ user: 'u', epoch: 'e1' })), saved);
    t.deepEqual(await store.save(session('h'), draftOf({ user: 'u', epoch: 'e2' })), saved);
    t.is((await store.read(session('h'), PROOF))!.epoch, 'e1');
    const other = draftOf({ user: 'v', epoch: 'e3' });
    const bound = { status: 'bound', owner: { user: 'u', epoch: 'e1' } };
    t.deepEqual(await store.save(session('h'), other), bound);
    t.deepEqual(await store.save(session('h'), draftOf()), bound);
    t.deepEqual(await store.save(session('h'), other, 'e2'), bound);
    t.deepEqual(await store.save(session('h'), other, 'e1'), saved);
    t.like(await store.read(session('h'), PROOF), { user: 'v', epoch: 'e3' });
  });

  it('a revocation ends all sessions of a user, and those bound before it', async (t, { store, user }) => {
    const first = await store.bind(user('u'), 'h1', newToken(), LONG);
    t.is(await store.bind(user('u'), 'h2', newToken(), LONG), first);
    t.true(await store.isCurrent(user('u'), 'h1', first));
    t.deepEqual([...(await store.handles(user('u')))].sort(), ['h1', 'h2']);
    await store.revoke(user('u'), 'e2');
    t.false(await store.isCurrent(user('u'), 'h1', first));
    t.false(await store.isCurrent(user('u'), 'h2', first, LONG));
    t.deepEqual(await store.handles(user('u')), []);
    t.is(await store.bind(user('u'), 'h3', newToken(), LONG), 'e2');
    t.true(await store.isCurrent(user('u'), 'h3', 'e2'));
    t.true(await store.isCurrent(user('u'), 'h3', 'e2', LONG));
  });

  it('a revocation keeps one session, and the next one keeps another', async (t, { store, user }) => {
    const epoch = await store.bind(user('u'), 'h1', newToken(), LONG);
    await store.bind(user('u'), 'h2', newToken(), LONG);
    await store.revoke(user('u'), 'e2', { handle: 'h1', epoch });
    t.true(await store.isCurrent(user('u'), 'h1', epoch));
    t.false(await store.isCurrent(user('u'), 'h2', epoch));
    t.deepEqual(await store.handles(user('u')), ['h1']);
    // It is kept again, and then another one is.
    await store.revoke(user('u'), 'e3', { handle: 'h1', epoch });
    t.true(await store.isCurrent(user('u'), 'h1', epoch));
    await store.bind(user('u'), 'h3', newToken(), LONG);
    await store.revoke(user('u'), 'e4', { handle: 'h3', epoch: 'e3' });
    t.false(await store.isCurrent(user('u'), 'h1', epoch));
    t.true(await store.isCurrent(user('u'), 'h3', 'e3'));
    t.false(await store.isCurrent(user('u'), 'h4', 'e3'));
  });

  it('a revocation does not keep a session that is revoked', async (t, { store, user }) => {
    const epoch = await store.bind(user('u'), 'h1', newToken(), LONG);
    await store.revoke(user('u'), 'e2');
    await store.revoke(user('u'), 'e3', { handle: 'h1', epoch });
    t.false(await store.isCurrent(user('u'), 'h1', epoch));
    t.deepEqual(await store.handles(user('u')), []);
  });

  it('a revocation of one user leaves the others', async (t, { store, user }) => {
    const epoch = await store.bind(user('v'), 'h1', newToken(), LONG);
    await store.bind(user('u'), 'h2', newToken(), LONG);
    await store.revoke(user('u'), 'e2');
    t.true(await store.isCurrent(user('v'), 'h1', epoch));
  });

  it('what is known of a user lives as long as its longest session', async (t, { store, user, until }) => {
    const epoch = await store.bind(user('u'), 'long', newToken(), LONG);
    t.is(await store.bind(user('u'), 'short', newToken(), SHORT), epoch);
    await until('one session', async () => (await store.handles(user('u'))).join() === 'long');
    t.true(await store.isCurrent(user('u'), 'long', epoch));
    await store.bind(user('v'), 'h', 'e1', SHORT);
    t.true(await store.isCurrent(user('v'), 'h', 'e1', LONG));
    await store.bind(user('w'), 'h', 'e1', SHORT);
    await until('its end', async () => !(await store.isCurrent(user('w'), 'h', 'e1')));
    t.true(await store.isCurrent(user('v'), 'h', 'e1'));
    t.deepEqual(await store.handles(user('v')), ['h']);
  });

  it('a user key that is lost revokes the sessions of the user', async (t, { store, user, evict }) => {
    const epoch = await store.bind(user('u'), 'h1', newToken(), LONG);
    await evict(user('u'));
    t.false(await store.isCurrent(user('u'), 'h1', epoch));
    const next = newToken();
    t.is(await store.bind(user('u'), 'h2', next, LONG), next);
    t.false(await store.isCurrent(user('u'), 'h1', epoch));
  });

  it('keys returns the sessions with a prefix, and no other keys', async (t, opened) => {
    const { store, session, user, prefix } = opened;
    const handles = Array.from({ length: 50 }, (_, i) => `h${i}`);
    await Promise.all(handles.map((handle) => store.save(session(handle), draftOf())));
    await store.bind(user('u'), 'h1', newToken(), LONG);
    await store.remove(session('h7'), undefined, LONG);
    const expected = handles.filter((handle) => handle !== 'h7').map(session);
    t.deepEqual([...(await store.keys(prefix))].sort(), expected.sort());
    t.deepEqual(await store.keys(`${prefix}none:`), []);
    t.deepEqual(await store.keys(prefix.replace(/.:$/, '*:')), [], 'the prefix is no pattern');
  });

  it('every verb is refused after the close', async (t, { store, session, user, close, prefix }) => {
    await close();
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.create(session('h'), draftOf()),
      () => store.read(session('h'), PROOF),
      () => store.touch(session('h'), PROOF, { ttlMs: LONG }),
      () => store.update(session('h'), PROOF, {}),
      () => store.save(session('h'), draftOf()),
      () => store.remove(session('h'), PROOF, 0),
      () => store.bind(user('u'), 'h', 'e', LONG),
      () => store.isCurrent(user('u'), 'h', 'e'),
      () => store.revoke(user('u'), 'e'),
      () => store.handles(user('u')),
      () => store.keys(prefix),
    ];
    for (const call of calls) {
      const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError });
      t.is(error.outcome, 'refused');
    }
  });
}
