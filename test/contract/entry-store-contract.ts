import { Buffer } from 'node:buffer';
import type { ExecutionContext, TestFn } from 'ava';
import {
  decodeEntry,
  encodeEntry,
  encodeLease,
  LEASE_LENGTH,
  TOKEN_AT,
  tokenOf,
  type Refreshable,
  WIRE_VERSION,
} from '../../src/core/ports/entry-format.js';
import { isInDoubt } from '../../src/core/ports/doubt-record.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { EntryStore } from '../../src/core/ports/entry-store.js';
import {
  TAG_CHANGE_BYTES,
  TAG_CHANGES_IDENTITY,
  TAG_CHANGES_LENGTH,
} from '../../src/core/ports/tag-changes.js';
import { newToken } from '../../src/core/shared/token.js';
import { LATER } from '../support/later.js';

/** A store under test, with names that only one test uses. */
export interface OpenStore {
  readonly store: EntryStore;
  readonly entry: (key: string) => string;
  readonly tag: (name: string) => string;
  readonly clear: string;
  readonly tagChanges: string;
  /** The keys for which the opener was notified that a lease of another opener ended, in order. */
  woken(): readonly string[];
  /** Resolves when the opener has been notified for each of these keys. Notifications for one key arrive in order. */
  told(keys: readonly string[]): Promise<void>;
  /** Checks that the record with this name expires `ms` from now. The record may be gone afterwards. */
  ends(name: string, ms: number): Promise<void>;
  /** Resolves when the record with this name, which expires soon, is gone. */
  gone(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface Deviations {
  /** The reason why the store need not pass the test with this title. */
  readonly [title: string]: string;
}

/** The contract of `EntryStore`; see src/core/ports/entry-store.ts. */
export function entryStoreContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext) => Promise<OpenStore>,
  deviations: Deviations = {},
): void {
  const titles = new Set<string>();
  const it = (title: string, run: (t: ExecutionContext, opened: OpenStore) => Promise<void>): void => {
    titles.add(title);
    if (title in deviations) return;
    test.serial(`${name}: ${title}`, async (t) => {
      const opened = await open(t);
      t.teardown(() => opened.close());
      await run(t, opened);
    });
  };

  // --- read and nonces -----------------------------------------------------------------------------------------------

  it('reads null for missing records and nonces', async (t, { store, entry, tag, clear }) => {
    const { record, nonces, isUnchanged } = await store.read(entry('k'), [clear, tag('a')]);
    t.deepEqual(
      { record, nonces, isUnchanged },
      { record: null, nonces: [null, null], isUnchanged: undefined },
    );
    t.deepEqual(await store.nonces([clear]), [null]);
  });

  it('returns nonces in the requested order, with repetitions', async (t, {
    store,
    entry,
    tag,
    clear,
    tagChanges,
  }) => {
    const { nonces } = await store.getOrCreateNonces([tag('a'), tag('b')], undefined, newToken(), 60_000);
    await store.removeNonces([tag('b')], tagChanges, [], newToken());
    const [other] = (await store.getOrCreateNonces([tag('b')], undefined, newToken(), 60_000)).nonces;
    const [a] = nonces;
    t.not(a, other);
    t.deepEqual((await store.read(entry('k'), [tag('b'), clear, tag('a'), tag('b')])).nonces, [
      other,
      null,
      a,
      other,
    ]);
    t.deepEqual(await store.nonces([tag('a'), tag('b'), tag('a')]), [a, other, a]);
    t.deepEqual(await store.nonces([]), []);
    t.deepEqual((await store.read(entry('k'), [])).nonces, []);
  });

  it('returns the stored bytes unchanged', async (t, { store, entry }) => {
    const payload = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const { record } = await fill(store, entry('k'), { payload });
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('serves many concurrent reads, each with its own reply', async (t, { store, entry, tag }) => {
    const [nonce] = (await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces;
    const keys = Array.from({ length: 700 }, (_, i) => entry(`k${i}`));
    const { record } = await fill(store, keys[3]!);
    const found = await Promise.all(keys.map((key) => store.read(key, [tag('a')])));
    found.forEach((snapshot, i) => {
      t.deepEqual(snapshot.nonces, [nonce!]);
      if (i === 3) t.deepEqual(bytesOf(snapshot.record), record);
      else t.is(snapshot.record, null);
    });
  });

  it('does not send a record whose token the caller knows', async (t, { store, entry, tag }) => {
    const [nonce] = (await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces;
    const { record } = await fill(store, entry('k'));
    const known = tokenOf(record)!;
    const [same, other, none] = await Promise.all([
      store.read(entry('k'), [tag('a')], undefined, known),
      store.read(entry('k'), [tag('a')], undefined, newToken()),
      store.read(entry('l'), [tag('a')], undefined, known),
    ]);
    t.true(same!.isUnchanged);
    t.is(same!.record, null);
    t.not(other!.isUnchanged, true);
    t.deepEqual(bytesOf(other!.record), record);
    t.not(none!.isUnchanged, true);
    t.is(none!.record, null);
    for (const { nonces } of [same!, other!, none!]) t.deepEqual(nonces, [nonce!]);
    const token = newToken();
    await store.lease(entry('m'), token, 10_000, undefined);
    t.not((await store.read(entry('m'), [], undefined, token)).isUnchanged, true);
  });

  // --- lease ---------------------------------------------------------------------------------------------------------

  it('grants a lease at a free key, and reads it as a record', async (t, { store, entry }) => {
    const token = newToken();
    const reply = await store.lease(entry('k'), token, 10_000, undefined);
    t.is(reply.status, 'granted');
    const { record } = await store.read(entry('k'), []);
    t.is(record!.length, LEASE_LENGTH);
    t.is(tokenOf(record!), token);
  });

  it('returns its time with a lease, and the time is monotonic', async (t, { store, entry }) => {
    const first = await store.lease(entry('k'), newToken(), 10_000, undefined);
    const second = await store.lease(entry('k'), newToken(), 10_000, undefined);
    const third = await store.lease(entry('l'), newToken(), 10_000, undefined);
    if (first.status !== 'granted' || second.status !== 'held' || third.status !== 'granted') return t.fail();
    t.true(first.storeTime <= second.storeTime && second.storeTime <= third.storeTime);
  });

  it('grants the same token again', async (t, { store, entry }) => {
    const token = newToken();
    t.is((await store.lease(entry('k'), token, 10_000, undefined)).status, 'granted');
    t.is((await store.lease(entry('k'), token, 10_000, undefined)).status, 'granted');
    t.is(await store.fill(entry('k'), token, valueOf(token), LATER), 'stored');
  });

  it('refuses a lease while another holds it, and returns the time that is left', async (t, {
    store,
    entry,
  }) => {
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    const reply = await store.lease(entry('k'), newToken(), 5_000, undefined);
    if (reply.status !== 'held') return t.fail(reply.status);
    t.true(reply.forMs > 5_000 && reply.forMs <= 10_000, `${reply.forMs}`);
    await store.lease(entry('k'), newToken(), 5_000, newToken());
    t.is((await store.lease(entry('k'), newToken(), 5_000, undefined)).status, 'held');
  });

  it('G5 single flight: grants one of many concurrent leases', async (t, { store, entry }) => {
    const tokens = Array.from({ length: 50 }, newToken);
    const replies = await Promise.all(
      tokens.map((token) => store.lease(entry('k'), token, 10_000, undefined)),
    );
    const granted = tokens.filter((_, i) => replies[i]!.status === 'granted');
    t.is(granted.length, 1);
    t.is(tokenOf((await store.read(entry('k'), [])).record!), granted[0]);
  });

  it('returns a value instead of granting a lease', async (t, { store, entry }) => {
    const { record } = await fill(store, entry('k'));
    for (const replaces of [undefined, newToken()]) {
      const reply = await store.lease(entry('k'), newToken(), 10_000, replaces);
      if (reply.status !== 'present') return t.fail(reply.status);
      t.deepEqual(bytesOf(reply.record), record);
    }
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('grants a lease over the value whose token it names', async (t, { store, entry }) => {
    const { token } = await fill(store, entry('k'));
    const next = newToken();
    t.is((await store.lease(entry('k'), next, 10_000, token)).status, 'granted');
    t.is(tokenOf((await store.read(entry('k'), [])).record!), next);
    t.is((await store.lease(entry('k'), newToken(), 10_000, token)).status, 'held');
  });

  it('grants a lease over a record whose token is not ASCII', async (t, { store, entry }) => {
    const strange = '\u00ff\u0000A\u0080 *\u00e9'.padEnd(16, '\u00fe');
    const first = newToken();
    await store.lease(entry('k'), first, 10_000, undefined);
    const record = valueOf(first);
    record.write(strange, TOKEN_AT, 'latin1');
    await store.fill(entry('k'), first, record, LATER);
    t.is(tokenOf((await store.read(entry('k'), [])).record!), strange);
    const token = newToken();
    t.is((await store.lease(entry('k'), token, 10_000, strange)).status, 'granted');
    t.is(tokenOf((await store.read(entry('k'), [])).record!), token);
  });

  it('grants a lease over any record for *', async (t, { store, entry }) => {
    await fill(store, entry('value'));
    const held = newToken();
    await store.lease(entry('lease'), held, 10_000, undefined);
    for (const key of [entry('value'), entry('lease'), entry('nothing')]) {
      t.is((await store.lease(key, newToken(), 10_000, '*')).status, 'granted');
    }
    t.is(await store.fill(entry('lease'), held, valueOf(held), LATER), 'refused');
  });

  it('treats bytes that are not a record of this wire version as missing', async (t, { store, entry }) => {
    const otherVersion = valueOf(newToken());
    otherVersion[1] = WIRE_VERSION + 1;
    const otherLease = Buffer.from(encodeLease(newToken()));
    otherLease[1] = WIRE_VERSION + 1;
    const bytes = [
      Buffer.from(''),
      Buffer.from('{"json":true}'),
      Buffer.alloc(100, 'x'),
      otherVersion,
      otherLease,
    ];
    for (const [i, foreign] of bytes.entries()) {
      const key = entry(`k${i}`);
      const first = newToken();
      await store.lease(key, first, 10_000, undefined);
      await store.fill(key, first, foreign, LATER);
      const token = newToken();
      t.is((await store.lease(key, token, 10_000, undefined)).status, 'granted', foreign.toString('latin1'));
      t.is(await store.fill(key, token, valueOf(token), LATER), 'stored');
    }
  });

  it('a lease expires on its own', async (t, { store, entry, gone }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 60, undefined);
    await gone(entry('k'));
    t.is(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
    t.is((await store.lease(entry('k'), newToken(), 10_000, undefined)).status, 'granted');
  });

  it('a lease ends at the returned time', async (_t, { store, entry, ends }) => {
    await store.lease(entry('k'), newToken(), 5_000, undefined);
    await ends(entry('k'), 5_000);
  });

  // --- extend --------------------------------------------------------------------------------------------------------

  it('extends a lease', async (t, { store, entry, ends }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 1_000, undefined);
    t.true(await store.extend(entry('k'), token, 20_000));
    await ends(entry('k'), 20_000);
  });

  it('extends only the lease of its token', async (t, { store, entry, ends }) => {
    const token = newToken();
    t.false(await store.extend(entry('k'), token, 20_000));
    t.is((await store.read(entry('k'), [])).record, null);
    await store.lease(entry('k'), newToken(), 5_000, undefined);
    t.false(await store.extend(entry('k'), token, 20_000));
    const filled = await fill(store, entry('value'), { ttl: 5_000 });
    t.false(await store.extend(entry('value'), filled.token, 20_000));
    await ends(entry('value'), 5_000);
  });

  // --- fill ----------------------------------------------------------------------------------------------------------

  it('a fill replaces the lease with the value, for its ttl', async (t, { store, entry, ends }) => {
    const { record } = await fill(store, entry('k'), { ttl: 7_000 });
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
    await ends(entry('k'), 7_000);
  });

  it('G6 age: a fill after its end stores nothing and removes the lease', async (t, { store, entry }) => {
    const token = newToken();
    const reply = await store.lease(entry('k'), token, 10_000, undefined);
    if (reply.status !== 'granted') return t.fail(reply.status);
    t.is(await store.fill(entry('k'), token, valueOf(token), reply.storeTime - 1), 'expired');
    t.is((await store.read(entry('k'), [])).record, null);
    t.is(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
  });

  it('G6 age: a fill after its end stores nothing and wakes the waiters', async (t, {
    store,
    entry,
    told,
  }) => {
    const token = newToken();
    const reply = await store.lease(entry('k'), token, 10_000, undefined);
    if (reply.status !== 'granted') return t.fail(reply.status);
    t.is((await store.lease(entry('k'), newToken(), 10_000, undefined)).status, 'held');
    t.is(await store.fill(entry('k'), token, valueOf(token), reply.storeTime - 1), 'expired');
    await told([entry('k')]);
  });

  it('G1 no resurrection: refuses a fill without a lease: absence means refuse', async (t, {
    store,
    entry,
  }) => {
    const token = newToken();
    t.is(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
    t.is((await store.read(entry('k'), [])).record, null);
  });

  it('G1 no resurrection: refuses a fill over another lease, which stays', async (t, { store, entry }) => {
    const holder = newToken();
    const late = newToken();
    await store.lease(entry('k'), holder, 10_000, undefined);
    t.is(await store.fill(entry('k'), late, valueOf(late), LATER), 'refused');
    t.is(await store.fill(entry('k'), holder, valueOf(holder), LATER), 'stored');
  });

  it('G1 no resurrection: refuses a fill over another value, which stays', async (t, { store, entry }) => {
    const { record } = await fill(store, entry('k'));
    const late = newToken();
    t.is(await store.fill(entry('k'), late, valueOf(late), LATER), 'refused');
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('G1 no resurrection: refuses a fill after a removal or a release', async (t, { store, entry }) => {
    const removed = newToken();
    await store.lease(entry('removed'), removed, 10_000, undefined);
    await store.remove([entry('removed')]);
    t.is(await store.fill(entry('removed'), removed, valueOf(removed), LATER), 'refused');
    const released = newToken();
    await store.lease(entry('released'), released, 10_000, undefined);
    await store.release(entry('released'), released);
    t.is(await store.fill(entry('released'), released, valueOf(released), LATER), 'refused');
    t.is((await store.read(entry('removed'), [])).record, null);
    t.is((await store.read(entry('released'), [])).record, null);
  });

  it('accepts a repeated fill and leaves the value as it is', async (t, { store, entry, ends }) => {
    const { token, record } = await fill(store, entry('k'), { ttl: 5_000 });
    t.is(await store.fill(entry('k'), token, record, LATER), 'stored');
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
    await ends(entry('k'), 5_000);
  });

  it('G1 no resurrection: refuses a repeated fill after a removal, over the next lease and over the next value', async (t, opened) => {
    const { store, entry } = opened;
    const { token, record } = await fill(store, entry('k'));
    await store.remove([entry('k')]);
    t.is(await store.fill(entry('k'), token, record, LATER), 'refused');
    const next = newToken();
    await store.lease(entry('k'), next, 10_000, undefined);
    t.is(await store.fill(entry('k'), token, record, LATER), 'refused');
    const value = valueOf(next);
    t.is(await store.fill(entry('k'), next, value, LATER), 'stored');
    t.is(await store.fill(entry('k'), token, record, LATER), 'refused');
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), value);
  });

  // --- release -------------------------------------------------------------------------------------------------------

  it('releases a lease', async (t, { store, entry }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, undefined);
    t.true(await store.release(entry('k'), token));
    t.is((await store.read(entry('k'), [])).record, null);
    t.false(await store.release(entry('k'), token));
  });

  it('releases neither the lease of another token nor a value', async (t, { store, entry }) => {
    const holder = newToken();
    await store.lease(entry('k'), holder, 10_000, undefined);
    t.false(await store.release(entry('k'), newToken()));
    t.is(tokenOf((await store.read(entry('k'), [])).record!), holder);
    const { token, record } = await fill(store, entry('value'));
    t.false(await store.release(entry('value'), token));
    t.deepEqual(bytesOf((await store.read(entry('value'), [])).record), record);
  });

  // --- remove --------------------------------------------------------------------------------------------------------

  it('removes values, leases and other bytes, and accepts missing keys', async (t, { store, entry }) => {
    await fill(store, entry('value'));
    await store.lease(entry('lease'), newToken(), 10_000, undefined);
    const token = newToken();
    await store.lease(entry('bytes'), token, 10_000, undefined);
    await store.fill(entry('bytes'), token, Buffer.from('x'), LATER);
    const names = ['value', 'lease', 'bytes', 'absent', 'value'].map(entry);
    await store.remove(names);
    await store.remove(names);
    for (const name of names) t.is((await store.read(name, [])).record, null);
    await store.remove([]);
  });

  it('removes many keys at once, and nothing else', async (t, { store, entry }) => {
    const names = Array.from({ length: 600 }, (_, i) => entry(`k${i}`));
    await Promise.all([0, 299, 599].map((i) => fill(store, names[i]!)));
    await fill(store, entry('other'));
    await store.remove(names);
    for (const i of [0, 299, 599]) t.is((await store.read(names[i]!, [])).record, null);
    t.not((await store.read(entry('other'), [])).record, null);
  });

  // --- wakeups -------------------------------------------------------------------------------------------------------

  it('a fill, a release and a removal of a lease wake its waiters', async (t, opened) => {
    const { store, entry, woken, told } = opened;
    const token = newToken();
    const keys = ['filled', 'released', 'removed'].map(entry);
    for (const key of keys) {
      await store.lease(key, token, 10_000, undefined);
      t.is((await store.lease(key, newToken(), 10_000, undefined)).status, 'held');
    }
    await store.fill(entry('filled'), token, valueOf(token), LATER);
    await store.release(entry('released'), token);
    await store.remove([entry('removed')]);
    await told(keys);
    t.deepEqual([...woken()].sort(), [...keys].sort());
  });

  it('publishes no wakeup if nobody waits', async (t, { store, entry, woken, told }) => {
    const token = newToken();
    const keys = ['filled', 'released', 'removed'].map(entry);
    for (const key of keys) await store.lease(key, token, 10_000, undefined);
    await store.fill(entry('filled'), token, valueOf(token), LATER);
    await store.release(entry('released'), token);
    await store.remove([entry('removed'), entry('filled')]);
    // Each key gets one more lease with a waiter. Its wakeup arrives after all earlier ones.
    for (const key of keys) {
      await store.lease(key, token, 10_000, undefined);
      await store.lease(key, newToken(), 10_000, undefined);
      await store.release(key, token);
    }
    await told(keys);
    t.deepEqual([...woken()].sort(), [...keys].sort());
  });

  it('an extended lease keeps its waiters', async (t, { store, entry, woken, told }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, undefined);
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    await store.extend(entry('k'), token, 10_000);
    await store.release(entry('k'), token);
    await told([entry('k')]);
    t.deepEqual(woken(), [entry('k')]);
  });

  it('a replaced lease keeps its waiters', async (t, { store, entry, woken, told }) => {
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, '*');
    await store.fill(entry('k'), token, valueOf(token), LATER);
    await told([entry('k')]);
    t.deepEqual(woken(), [entry('k')]);
  });

  // --- getOrCreateNonces ---------------------------------------------------------------------------------------------

  it('getOrCreateNonces creates missing nonces and keeps existing ones', async (t, { store, tag, clear }) => {
    const first = newToken();
    const second = newToken();
    t.deepEqual((await store.getOrCreateNonces([tag('a')], undefined, first, 60_000)).nonces, [first]);
    t.deepEqual((await store.getOrCreateNonces([clear, tag('a')], undefined, second, 60_000)).nonces, [
      second,
      first,
    ]);
    t.deepEqual((await store.getOrCreateNonces([tag('a'), clear], undefined, newToken(), 60_000)).nonces, [
      first,
      second,
    ]);
    t.deepEqual(await store.nonces([clear, tag('a')]), [second, first]);
  });

  it('concurrent getOrCreateNonces return the same nonces', async (t, { store, tag }) => {
    const tagStates = await Promise.all(
      Array.from({ length: 50 }, () =>
        store.getOrCreateNonces([tag('a'), tag('b')], undefined, newToken(), 60_000),
      ),
    );
    t.is(new Set(tagStates.map(({ nonces }) => nonces[0])).size, 1);
    t.is(new Set(tagStates.map(({ nonces }) => nonces[1])).size, 1);
  });

  it('nonces expire after their ttl', async (_t, { store, tag, ends }) => {
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 9_000);
    await ends(tag('a'), 9_000);
  });

  it('getOrCreateNonces extends the ttl of a nonce', async (_t, { store, tag, ends }) => {
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 2_000);
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 9_000);
    await ends(tag('a'), 9_000);
  });

  it('getOrCreateNonces never shortens the ttl of a nonce', async (_t, { store, tag, ends }) => {
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 9_000);
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 2_000);
    await ends(tag('a'), 9_000);
  });

  it('getOrCreateNonces creates the tag changes as an identity and zeros, and keeps existing ones', async (t, opened) => {
    const { store, tag, tagChanges, ends } = opened;
    t.is((await store.getOrCreateNonces([tag('a')], undefined, newToken(), 2_000)).tagChanges.length, 0);
    const first = newToken();
    const made = await store.getOrCreateNonces([], tagChanges, first, 2_000);
    t.is(made.tagChanges.length, TAG_CHANGES_LENGTH);
    t.is(Buffer.from(made.tagChanges.subarray(0, TAG_CHANGES_IDENTITY)).toString('latin1'), first);
    t.true(made.tagChanges.subarray(TAG_CHANGES_IDENTITY).every((byte) => byte === 0));
    const kept = await store.getOrCreateNonces([tag('b')], tagChanges, newToken(), 9_000);
    t.deepEqual(bytesOf(kept.tagChanges), bytesOf(made.tagChanges));
    await ends(tagChanges, 9_000);
  });

  it('getOrCreateNonces creates a new nonce after a removal, and new tag changes after theirs', async (t, opened) => {
    const { store, tag, tagChanges } = opened;
    const before = await store.getOrCreateNonces([tag('a')], tagChanges, newToken(), 60_000);
    await store.removeNonces([tag('a')], tagChanges, [7], newToken());
    await store.remove([tagChanges]);
    const after = await store.getOrCreateNonces([tag('a')], tagChanges, newToken(), 60_000);
    t.not(after.nonces[0], before.nonces[0]);
    t.notDeepEqual(identityOf(after.tagChanges), identityOf(before.tagChanges));
  });

  // --- removeNonces --------------------------------------------------------------------------------------------------

  it('G7 tags: removes nonces, and accepts missing ones', async (t, {
    store,
    entry,
    tag,
    clear,
    tagChanges,
  }) => {
    const { nonces } = await store.getOrCreateNonces(
      [clear, tag('a'), tag('b')],
      undefined,
      newToken(),
      60_000,
    );
    await store.removeNonces([tag('a'), tag('absent')], tagChanges, [1], newToken());
    await store.removeNonces([tag('a')], tagChanges, [1], newToken());
    const snapshot = await store.read(entry('k'), [clear, tag('a'), tag('b')]);
    t.deepEqual(snapshot.nonces, [nonces[0], null, nonces[2]]);
  });

  it('G7 tags: removeNonces marks the given buckets of the tag changes, and only those', async (t, {
    store,
    tag,
    tagChanges,
  }) => {
    const before = (await store.getOrCreateNonces([], tagChanges, newToken(), 60_000)).tagChanges;
    await store.removeNonces([tag('a'), tag('b')], tagChanges, [0, 200, 255], newToken());
    const after = (await store.getOrCreateNonces([], tagChanges, newToken(), 60_000)).tagChanges;
    t.deepEqual(identityOf(after), identityOf(before));
    for (let bucket = 0; bucket < 256; bucket++) {
      const changed = !bucketIn(after, bucket).equals(bucketIn(before, bucket));
      t.is(changed, [0, 200, 255].includes(bucket), `bucket ${bucket}`);
    }
  });

  it('G7 tags: removeNonces marks the same bucket with a new value each time', async (t, {
    store,
    tagChanges,
  }) => {
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const { tagChanges: now } = await store.getOrCreateNonces([], tagChanges, newToken(), 60_000);
      seen.add(bucketIn(now, 9).toString('hex'));
      await store.removeNonces([], tagChanges, [9], newToken());
    }
    t.is(seen.size, 5);
  });

  it('removeNonces does not create the tag changes', async (t, { store, tag, tagChanges }) => {
    await store.removeNonces([tag('a')], tagChanges, [3], newToken());
    const identity = newToken();
    const { tagChanges: made } = await store.getOrCreateNonces([], tagChanges, identity, 60_000);
    t.is(identityOf(made).toString('latin1'), identity);
    t.true(made.subarray(TAG_CHANGES_IDENTITY).every((byte) => byte === 0));
  });

  it('removeNonces does not change the ttl of the tag changes', async (_t, { store, tagChanges, ends }) => {
    await store.getOrCreateNonces([], tagChanges, newToken(), 9_000);
    await store.removeNonces([], tagChanges, [3], newToken());
    await ends(tagChanges, 9_000);
  });

  // --- refreshable values --------------------------------------------------------------------------------------------

  it('a lease that keeps the value leaves it readable, and the new value replaces it', async (t, opened) => {
    const { store, entry } = opened;
    const old = await fill(store, entry('k'), { refreshable: true });
    const token = newToken();
    t.is((await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value')).status, 'granted');
    const kept = (await store.read(entry('k'), [])).record!;
    t.is(tokenOf(kept), old.token);
    const { refreshingUntil } = decodeEntry('k', kept)!.refreshable!;
    t.true(refreshingUntil > 0);
    const record = valueOf(token);
    t.is(await store.fill(entry('k'), token, record, LATER), 'stored');
    t.is(await store.fill(entry('k'), token, record, LATER), 'stored');
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('a kept value has one lease, which its holder may ask for again', async (t, { store, entry }) => {
    const old = await fill(store, entry('k'), { refreshable: true });
    const [first, second] = [newToken(), newToken()];
    const lease = (token: string, replaces = old.token) =>
      store.lease(entry('k'), token, 10_000, replaces, undefined, 'value');
    t.is((await lease(first)).status, 'granted');
    const held = await lease(second);
    t.true(held.status === 'held' && held.forMs > 9_000 && held.forMs <= 10_000);
    t.is((await lease(first)).status, 'granted');
    t.is((await lease(second, newToken())).status, 'present');
    t.is(await store.fill(entry('k'), second, valueOf(second), LATER), 'refused');
    t.false(await store.extend(entry('k'), second, 10_000));
    t.false(await store.release(entry('k'), second));
    t.true(await store.extend(entry('k'), first, 10_000));
  });

  it('the lease of a kept value ends, and another one is granted', async (t, { store, entry, gone }) => {
    const old = await fill(store, entry('k'), { refreshable: true });
    const [first, second] = [newToken(), newToken()];
    await store.lease(entry('k'), first, 1, old.token, undefined, 'value');
    await fill(store, entry('timer'), { ttl: 5 });
    await gone(entry('timer'));
    const reply = await store.lease(entry('k'), second, 10_000, old.token, undefined, 'value');
    t.is(reply.status, 'granted');
    t.is(await store.fill(entry('k'), first, valueOf(first), LATER), 'refused');
    t.is(await store.fill(entry('k'), second, valueOf(second), LATER), 'stored');
  });

  it('a kept value lives as long as its lease', async (t, { store, entry, ends }) => {
    const old = await fill(store, entry('k'), { refreshable: true, ttl: 5_000 });
    const token = newToken();
    await store.lease(entry('k'), token, 60_000, old.token, undefined, 'value');
    await ends(entry('k'), 60_000);
    t.pass();
  });

  it('an extension of the lease lets the kept value live on, too', async (t, { store, entry, ends }) => {
    const old = await fill(store, entry('k'), { refreshable: true, ttl: 5_000 });
    const token = newToken();
    await store.lease(entry('k'), token, 1_000, old.token, undefined, 'value');
    t.true(await store.extend(entry('k'), token, 60_000));
    await ends(entry('k'), 60_000);
  });

  it('release keeps a kept value, with or without a time before which it is not loaded again', async (t, opened) => {
    const { store, entry } = opened;
    const old = await fill(store, entry('k'), { refreshable: true });
    const refreshable = async () =>
      decodeEntry('k', (await store.read(entry('k'), [])).record!)!.refreshable!;
    const lease = (keeps: 'value' | 'back-off') =>
      store.lease(entry('k'), newToken(), 10_000, old.token, undefined, keeps);
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value');
    t.true(await store.release(entry('k'), token));
    t.like(await refreshable(), { retryAt: 0, refreshingUntil: 0 });
    await store.lease(entry('k'), token, 10_000, old.token, undefined, 'back-off');
    const before = await store.time(entry('k'));
    t.true(await store.release(entry('k'), token, 20_000));
    t.false(await store.release(entry('k'), token, 20_000));
    const { retryAt, refreshingUntil } = await refreshable();
    t.is(refreshingUntil, 0);
    t.true(Math.abs(retryAt - before - 20_000) < 10_000);
    const present = await lease('back-off');
    t.true(present.status === 'present' && tokenOf(present.record) === old.token);
    t.is((await lease('value')).status, 'granted');
  });

  for (const refreshable of [false, true]) {
    const what = refreshable ? 'a refreshable value' : 'a value';

    it(`a put keeps ${what} readable, gets its lease from whoever has it, and replaces it`, async (t, {
      store,
      entry,
    }) => {
      const old = await fill(store, entry('k'), { refreshable, ttl: 60_000 });
      const [first, second] = [newToken(), newToken()];
      const put = (token: string) => store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      t.is((await put(first)).status, 'granted');
      const kept = decodeEntry('k', (await store.read(entry('k'), [])).record!)!;
      t.is(kept.token, old.token);
      t.is(kept.payload.toString(), '"value"');
      if (!refreshable)
        t.is(kept.refreshable!.staleUntil, kept.freshUntil, 'It is not returned after its ttl.');
      t.is((await put(second)).status, 'granted');
      t.is(await store.fill(entry('k'), first, valueOf(first), LATER), 'refused');
      t.is(await store.fill(entry('k'), second, valueOf(second), LATER), 'stored');
      t.is(tokenOf((await store.read(entry('k'), [])).record!), second);
    });

    it(`a put that is given up leaves ${what}, and a removal leaves nothing of the put`, async (t, {
      store,
      entry,
    }) => {
      const old = await fill(store, entry('k'), { refreshable });
      const token = newToken();
      await store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      t.true(await store.release(entry('k'), token));
      t.is(decodeEntry('k', (await store.read(entry('k'), [])).record!)!.token, old.token);
      await store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      await store.remove([entry('k')]);
      t.is(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
      t.is((await store.read(entry('k'), [])).record, null);
    });
  }

  it('a put of a key without a value has a lease as a load has', async (t, { store, entry }) => {
    const [load, put] = [newToken(), newToken()];
    await store.lease(entry('k'), load, 10_000, undefined);
    t.is((await store.lease(entry('k'), put, 10_000, '*', undefined, 'value')).status, 'granted');
    t.is((await store.lease(entry('k'), newToken(), 10_000, undefined)).status, 'held');
    t.is(await store.fill(entry('k'), load, valueOf(load), LATER), 'refused');
    t.is(await store.fill(entry('k'), put, valueOf(put), LATER, true), 'stored');
  });

  // --- marks -----------------------------------------------------------------------------------------------------------

  it('a marked key has no value and no lease, and grants none; unmarked, it is as before', async (t, opened) => {
    const { store, entry, ends } = opened;
    const old = await fill(store, entry('k'), { ttl: 60_000 });
    const token = newToken();
    await store.mark('entries', [entry('k')], token, 30_000);
    const { record } = await store.read(entry('k'), []);
    t.true(isInDoubt(record!));
    t.is(decodeEntry('k', record!), undefined);
    t.is((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'in-doubt');
    t.is(
      (await store.lease(entry('k'), newToken(), 1_000, old.token, undefined, 'value')).status,
      'in-doubt',
    );
    t.is(await store.fill(entry('k'), old.token, old.record, LATER), 'refused');
    t.false(await store.release(entry('k'), old.token));
    await store.unmark('entries', [entry('k')], newToken());
    t.true(isInDoubt((await store.read(entry('k'), [])).record!), 'Another token removes no mark.');
    await store.unmark('entries', [entry('k')], token);
    t.deepEqual(bytesOf((await store.read(entry('k'), [])).record), old.record);
    await ends(entry('k'), 60_000);
  });

  it('a mark ends after its time, and a repeated request moves its end', async (t, {
    store,
    entry,
    ends,
  }) => {
    const token = newToken();
    await store.mark('entries', [entry('k')], token, 5_000);
    await store.mark('entries', [entry('k')], token, 60_000);
    await ends(entry('k'), 60_000);
    t.pass();
  });

  it('a marked lease is lost for its load, and its waiters are woken', async (t, { store, entry, told }) => {
    const [load, write] = [newToken(), newToken()];
    await store.lease(entry('k'), load, 60_000, undefined);
    await store.lease(entry('k'), newToken(), 60_000, undefined);
    await store.mark('entries', [entry('k'), entry('l')], write, 30_000);
    await told([entry('k')]);
    t.false(await store.extend(entry('k'), load, 60_000));
    t.is(await store.fill(entry('k'), load, valueOf(load), LATER), 'refused');
    await store.unmark('entries', [entry('k'), entry('l')], write);
    t.is((await store.read(entry('l'), [])).record, null);
  });

  it('each write has a mark of its own: what stood before stands again after the last one', async (t, opened) => {
    const { store, entry, tag } = opened;
    const old = await fill(store, entry('k'));
    const [nonce] = (await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces;
    const [one, other] = [newToken(), newToken()];
    for (const token of [one, other, one]) {
      await store.mark('entries', [entry('k')], token, 30_000);
      await store.mark('nonces', [tag('a')], token, 30_000);
    }
    for (const [token, stands] of [
      [one, false],
      [other, true],
    ] as const) {
      await store.unmark('entries', [entry('k')], token);
      await store.unmark('nonces', [tag('a')], token);
      const { record, nonces } = await store.read(entry('k'), [tag('a')]);
      t.is(isInDoubt(record!), !stands);
      t.is(nonces[0] === nonce, stands);
      if (stands) t.deepEqual(bytesOf(record), old.record);
    }
  });

  it('a removal ends its own mark, and the marks of others stay; what stood before does not stand again', async (t, opened) => {
    const { store, entry, tag, tagChanges } = opened;
    await fill(store, entry('k'));
    const create = () => store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000);
    const [nonce] = (await create()).nonces;
    const [one, other] = [newToken(), newToken()];
    for (const token of [one, other]) {
      await store.mark('entries', [entry('k')], token, 30_000);
      await store.mark('nonces', [tag('a')], token, 30_000);
    }
    await store.remove([entry('k')], one);
    await store.removeNonces([tag('a')], tagChanges, [], newToken(), one);
    t.true(isInDoubt((await store.read(entry('k'), [])).record!));
    t.deepEqual((await create()).nonces, [null]);
    await store.unmark('entries', [entry('k')], other);
    await store.unmark('nonces', [tag('a')], other);
    t.is((await store.read(entry('k'), [])).record, null);
    const [next] = (await create()).nonces;
    t.true(next !== null && next !== nonce);
  });

  it('an invalidation without a mark leaves the marks of writes', async (t, {
    store,
    entry,
    tag,
    tagChanges,
  }) => {
    const token = newToken();
    await fill(store, entry('k'));
    await store.mark('entries', [entry('k')], token, 30_000);
    await store.mark('nonces', [tag('a')], token, 30_000);
    await store.remove([entry('k')]);
    await store.removeNonces([tag('a')], tagChanges, [], newToken());
    t.is((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'in-doubt');
    t.deepEqual((await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces, [null]);
    await store.unmark('entries', [entry('k')], token);
    t.is((await store.read(entry('k'), [])).record, null);
  });

  it('a set under a mark is refused, and what stood before it does not stand again', async (t, {
    store,
    entry,
  }) => {
    const token = newToken();
    await fill(store, entry('k'));
    await store.mark('entries', [entry('k')], token, 30_000);
    t.is((await store.lease(entry('k'), newToken(), 1_000, '*')).status, 'in-doubt');
    await store.unmark('entries', [entry('k')], token);
    t.is((await store.read(entry('k'), [])).record, null);
  });

  it('a mark that ends by itself takes the entry with it', async (t, { store, entry, gone }) => {
    await fill(store, entry('k'));
    const token = newToken();
    await store.mark('entries', [entry('k')], token, 200);
    await gone(entry('k'));
    await store.unmark('entries', [entry('k')], token);
    t.is((await store.read(entry('k'), [])).record, null);
    t.is((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'granted');
  });

  it('a mark that has ended takes the entry with it also if another write has a mark', async (t, opened) => {
    const { store, entry, tag, gone } = opened;
    await fill(store, entry('k'));
    await fill(store, entry('clock'), { ttl: 250 });
    const create = () => store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000);
    await create();
    const [dead, live] = [newToken(), newToken()];
    for (const [token, ms] of [
      [dead, 200],
      [live, 60_000],
    ] as const) {
      await store.mark('entries', [entry('k')], token, ms);
      await store.mark('nonces', [tag('a')], token, ms);
    }
    await gone(entry('clock'));
    t.like(await create(), { nonces: [null], ended: [] });
    // A renewal is another moment at which the end is seen.
    await store.mark('entries', [entry('k')], live, 60_000);
    await store.unmark('entries', [entry('k')], live);
    await store.unmark('nonces', [tag('a')], live);
    t.is((await store.read(entry('k'), [])).record, null);
    t.like(await create(), { nonces: [null], ended: [tag('a')] });
  });

  it('a write that fails after the mark of another one has ended puts nothing back', async (t, opened) => {
    const { store, entry, gone } = opened;
    await fill(store, entry('k'));
    await fill(store, entry('clock'), { ttl: 250 });
    const [dead, live] = [newToken(), newToken()];
    await store.mark('entries', [entry('k')], dead, 200);
    await store.mark('entries', [entry('k')], live, 60_000);
    await gone(entry('clock'));
    await store.unmark('entries', [entry('k')], live);
    t.is((await store.read(entry('k'), [])).record, null);
  });

  it('a nonce whose mark has ended is told, and not replaced before an invalidation', async (t, opened) => {
    const { store, entry, tag, tagChanges, gone } = opened;
    await fill(store, entry('clock'), { ttl: 250 });
    const fresh = newToken();
    const create = () => store.getOrCreateNonces([tag('a')], tagChanges, fresh, 60_000);
    const before = await create();
    await store.mark('nonces', [tag('a')], newToken(), 200);
    t.like(await create(), { nonces: [null], ended: [] });
    await gone(entry('clock'));
    t.like(await create(), { nonces: [null], ended: [tag('a')] });
    await store.removeNonces([tag('a')], tagChanges, [7], newToken());
    const after = await create();
    t.deepEqual(after.ended, []);
    t.deepEqual(after.nonces, [fresh]);
    t.notDeepEqual(bucketIn(before.tagChanges, 7), bucketIn(after.tagChanges, 7));
  });

  it('a removal ends the lease of a kept value, and so does a lease that keeps nothing', async (t, opened) => {
    const { store, entry } = opened;
    const ends = [
      () => store.remove([entry('k')]),
      () => store.lease(entry('k'), newToken(), 10_000, '*'),
      (token: string) => store.lease(entry('k'), newToken(), 10_000, token),
    ];
    for (const end of ends) {
      await store.remove([entry('k')]);
      const old = await fill(store, entry('k'), { refreshable: true });
      const token = newToken();
      await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value');
      await end(old.token);
      t.is(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
    }
  });

  for (const how of ['fill', 'release', 'remove'] as const) {
    it(`${how} wakes those that wait for the lease of a kept value`, async (t, {
      store,
      entry,
      told,
      woken,
    }) => {
      const old = await fill(store, entry('k'), { refreshable: true });
      const token = newToken();
      await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value');
      await store.lease(entry('k'), newToken(), 10_000, old.token, undefined, 'value');
      if (how === 'fill') await store.fill(entry('k'), token, valueOf(token), LATER);
      else if (how === 'release') await store.release(entry('k'), token);
      else await store.remove([entry('k')]);
      await told([entry('k')]);
      t.deepEqual(woken(), [entry('k')]);
    });
  }

  it('a value that is not refreshable is not kept', async (t, { store, entry }) => {
    const old = await fill(store, entry('k'));
    const token = newToken();
    t.is((await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value')).status, 'granted');
    t.is((await store.read(entry('k'), [])).record?.length, LEASE_LENGTH);
    t.true(await store.release(entry('k'), token, 1_000));
    t.is((await store.read(entry('k'), [])).record, null);
  });

  it('tells its time, which does not go back', async (t, { store, entry }) => {
    const first = await store.time(entry('k'));
    const granted = await store.lease(entry('k'), newToken(), 1_000, undefined);
    t.true(granted.status === 'granted' && granted.storeTime + 1 >= first - 1_000);
    t.true((await store.time(entry('k'))) >= first);
  });

  // --- close ---------------------------------------------------------------------------------------------------------

  it('refuses every verb after close', async (t, { store, entry, tag, tagChanges, close }) => {
    await close();
    await close();
    const verbs: Record<keyof EntryStore, () => Promise<unknown>> = {
      read: () => store.read(entry('k'), []),
      time: () => store.time(entry('k')),
      nonces: () => store.nonces([tag('a')]),
      lease: () => store.lease(entry('k'), newToken(), 1_000, undefined),
      extend: () => store.extend(entry('k'), newToken(), 1_000),
      fill: () => store.fill(entry('k'), newToken(), valueOf(newToken()), LATER),
      release: () => store.release(entry('k'), newToken()),
      remove: () => store.remove([entry('k')]),
      mark: () => store.mark('entries', [entry('k')], newToken(), 1_000),
      unmark: () => store.unmark('nonces', [tag('a')], newToken()),
      getOrCreateNonces: () => store.getOrCreateNonces([tag('a')], undefined, newToken(), 1_000),
      removeNonces: () => store.removeNonces([tag('a')], tagChanges, [], newToken()),
      replicated: () => store.replicated((own) => own.remove([entry('k')]), [entry('k')], 1, 1_000),
    };
    for (const [verb, call] of Object.entries(verbs)) {
      const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError }, verb);
      t.is(error?.outcome, 'refused', verb);
    }
  });

  test(`${name}: every listed deviation names an existing test`, (t) => {
    for (const title of Object.keys(deviations)) t.true(titles.has(title), title);
    t.pass();
  });
}

function valueOf(token: string, payload: Buffer = Buffer.from('"value"'), refreshable?: Refreshable): Buffer {
  return encodeEntry('k', {
    token,
    codec: 1,
    loadStart: 1,
    freshUntil: 2,
    clearNonce: newToken(),
    tags: [],
    payload,
    refreshable,
  });
}

async function fill(
  store: EntryStore,
  name: string,
  {
    ttl = 60_000,
    payload,
    refreshable = false,
  }: { readonly ttl?: number; readonly payload?: Buffer; readonly refreshable?: boolean } = {},
): Promise<{ readonly token: string; readonly record: Buffer }> {
  const token = newToken();
  const record = valueOf(token, payload, refreshable ? NOT_REFRESHED : undefined);
  const reply = await store.lease(name, token, 10_000, undefined);
  if (reply.status !== 'granted') throw new Error(`Expected ${name} to be free.`);
  await store.fill(name, token, record, reply.storeTime + ttl);
  return { token, record };
}

const NOT_REFRESHED: Refreshable = { staleUntil: LATER, loadMs: 1, retryAt: 0, refreshingUntil: 0 };

function bytesOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}

function identityOf(tagChanges: Uint8Array): Buffer {
  return Buffer.from(tagChanges.subarray(0, TAG_CHANGES_IDENTITY));
}

function bucketIn(tagChanges: Uint8Array, bucket: number): Buffer {
  const start = TAG_CHANGES_IDENTITY + bucket * TAG_CHANGE_BYTES;
  return Buffer.from(tagChanges.subarray(start, start + TAG_CHANGE_BYTES));
}
