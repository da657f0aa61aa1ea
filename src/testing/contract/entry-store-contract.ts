import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  decodeEntry,
  encodeEntry,
  encodeLease,
  LEASE_LENGTH,
  TOKEN_AT,
  tokenOf,
  type Refreshable,
  WIRE_VERSION,
} from '../../core/ports/entry-format.js';
import { isInDoubt } from '../../core/ports/doubt-record.js';
import type { EntryStore } from '../../core/ports/entry-store.js';
import { TAG_CHANGE_BYTES, TAG_CHANGES_IDENTITY, TAG_CHANGES_LENGTH } from '../../core/ports/tag-changes.js';
import { newToken } from '../../core/shared/token.js';
import { testsOf, type ContractOptions, type ContractTest, type OpenAdapter } from './contract-test.js';
import { assertLike, assertRefused, contractTest, type OpenedAdapter } from './opened-adapter.js';

/** An end for records in tests that are not about ends: the year 2100, in ms since the epoch. */
const LATER = 4_102_444_800_000;

interface OpenedEntries extends OpenedAdapter {
  readonly store: EntryStore;
}

/**
 * The contract of `EntryStore`.
 *
 * @throws OptionsError
 */
export function entryStoreContract(
  open: OpenAdapter,
  options: ContractOptions = {},
): readonly ContractTest[] {
  return testsOf('entryStoreContract', options, () => entryStoreTests(open));
}

function entryStoreTests(open: OpenAdapter): readonly ContractTest[] {
  const tests: ContractTest[] = [];
  const it = (title: string, test: (opened: OpenedEntries) => Promise<void>): void => {
    tests.push(contractTest(open, title, (opened) => test({ ...opened, store: opened.backend.entries })));
  };

  // --- read and nonces -----------------------------------------------------------------------------------------------

  it('reads null for missing records and nonces', async ({ store, entry, tag, clear }) => {
    const { record, nonces, isUnchanged } = await store.read(entry('k'), [clear, tag('a')]);
    assert.deepEqual(
      { record, nonces, isUnchanged },
      { record: null, nonces: [null, null], isUnchanged: undefined },
    );
    assert.deepEqual(await store.nonces([clear]), [null]);
  });

  it('returns nonces in the requested order, with repetitions', async ({
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
    assert.notEqual(a, other);
    assert.deepEqual((await store.read(entry('k'), [tag('b'), clear, tag('a'), tag('b')])).nonces, [
      other,
      null,
      a,
      other,
    ]);
    assert.deepEqual(await store.nonces([tag('a'), tag('b'), tag('a')]), [a, other, a]);
    assert.deepEqual(await store.nonces([]), []);
    assert.deepEqual((await store.read(entry('k'), [])).nonces, []);
  });

  it('returns the stored bytes unchanged', async ({ store, entry }) => {
    const payload = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const { record } = await fill(store, entry('k'), { payload });
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('serves many concurrent reads, each with its own reply', async ({ store, entry, tag }) => {
    const [nonce] = (await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces;
    const keys = Array.from({ length: 700 }, (_, i) => entry(`k${i}`));
    const { record } = await fill(store, keys[3]!);
    const found = await Promise.all(keys.map((key) => store.read(key, [tag('a')])));
    found.forEach((snapshot, i) => {
      assert.deepEqual(snapshot.nonces, [nonce!]);
      if (i === 3) assert.deepEqual(bytesOf(snapshot.record), record);
      else assert.equal(snapshot.record, null);
    });
  });

  it('does not send a record whose token the caller knows', async ({ store, entry, tag }) => {
    const [nonce] = (await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces;
    const { record } = await fill(store, entry('k'));
    const known = tokenOf(record)!;
    const [same, other, none] = await Promise.all([
      store.read(entry('k'), [tag('a')], undefined, known),
      store.read(entry('k'), [tag('a')], undefined, newToken()),
      store.read(entry('l'), [tag('a')], undefined, known),
    ]);
    assert.ok(same!.isUnchanged);
    assert.equal(same!.record, null);
    assert.notEqual(other!.isUnchanged, true);
    assert.deepEqual(bytesOf(other!.record), record);
    assert.notEqual(none!.isUnchanged, true);
    assert.equal(none!.record, null);
    for (const { nonces } of [same!, other!, none!]) assert.deepEqual(nonces, [nonce!]);
    const token = newToken();
    await store.lease(entry('m'), token, 10_000, undefined);
    assert.notEqual((await store.read(entry('m'), [], undefined, token)).isUnchanged, true);
  });

  // --- lease ---------------------------------------------------------------------------------------------------------

  it('grants a lease at a free key, and reads it as a record', async ({ store, entry }) => {
    const token = newToken();
    const reply = await store.lease(entry('k'), token, 10_000, undefined);
    assert.equal(reply.status, 'granted');
    const { record } = await store.read(entry('k'), []);
    assert.equal(record!.length, LEASE_LENGTH);
    assert.equal(tokenOf(record!), token);
  });

  it('returns its time with a lease, and the time is monotonic', async ({ store, entry }) => {
    const first = await store.lease(entry('k'), newToken(), 10_000, undefined);
    const second = await store.lease(entry('k'), newToken(), 10_000, undefined);
    const third = await store.lease(entry('l'), newToken(), 10_000, undefined);
    if (first.status !== 'granted' || second.status !== 'held' || third.status !== 'granted') assert.fail();
    assert.ok(first.storeTime <= second.storeTime && second.storeTime <= third.storeTime);
  });

  it('grants the same token again', async ({ store, entry }) => {
    const token = newToken();
    assert.equal((await store.lease(entry('k'), token, 10_000, undefined)).status, 'granted');
    assert.equal((await store.lease(entry('k'), token, 10_000, undefined)).status, 'granted');
    assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER), 'stored');
  });

  it('refuses a lease while another holds it, and returns the time that is left', async ({
    store,
    entry,
  }) => {
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    const reply = await store.lease(entry('k'), newToken(), 5_000, undefined);
    if (reply.status !== 'held') assert.fail(reply.status);
    assert.ok(reply.forMs > 5_000 && reply.forMs <= 10_000, `${reply.forMs}`);
    await store.lease(entry('k'), newToken(), 5_000, newToken());
    assert.equal((await store.lease(entry('k'), newToken(), 5_000, undefined)).status, 'held');
  });

  it('G5 single flight: grants one of many concurrent leases', async ({ store, entry }) => {
    const tokens = Array.from({ length: 50 }, newToken);
    const replies = await Promise.all(
      tokens.map((token) => store.lease(entry('k'), token, 10_000, undefined)),
    );
    const granted = tokens.filter((_, i) => replies[i]!.status === 'granted');
    assert.equal(granted.length, 1);
    assert.equal(tokenOf((await store.read(entry('k'), [])).record!), granted[0]);
  });

  it('returns a value instead of granting a lease', async ({ store, entry }) => {
    const { record } = await fill(store, entry('k'));
    for (const replaces of [undefined, newToken()]) {
      const reply = await store.lease(entry('k'), newToken(), 10_000, replaces);
      if (reply.status !== 'present') assert.fail(reply.status);
      assert.deepEqual(bytesOf(reply.record), record);
    }
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('grants a lease over the value whose token it names', async ({ store, entry }) => {
    const { token } = await fill(store, entry('k'));
    const next = newToken();
    assert.equal((await store.lease(entry('k'), next, 10_000, token)).status, 'granted');
    assert.equal(tokenOf((await store.read(entry('k'), [])).record!), next);
    assert.equal((await store.lease(entry('k'), newToken(), 10_000, token)).status, 'held');
  });

  it('grants a lease over a record whose token is not ASCII', async ({ store, entry }) => {
    const strange = '\u00ff\u0000A\u0080 *\u00e9'.padEnd(16, '\u00fe');
    const first = newToken();
    await store.lease(entry('k'), first, 10_000, undefined);
    const record = valueOf(first);
    record.write(strange, TOKEN_AT, 'latin1');
    await store.fill(entry('k'), first, record, LATER);
    assert.equal(tokenOf((await store.read(entry('k'), [])).record!), strange);
    const token = newToken();
    assert.equal((await store.lease(entry('k'), token, 10_000, strange)).status, 'granted');
    assert.equal(tokenOf((await store.read(entry('k'), [])).record!), token);
  });

  it('grants a lease over any record for *', async ({ store, entry }) => {
    await fill(store, entry('value'));
    const held = newToken();
    await store.lease(entry('lease'), held, 10_000, undefined);
    for (const key of [entry('value'), entry('lease'), entry('nothing')]) {
      assert.equal((await store.lease(key, newToken(), 10_000, '*')).status, 'granted');
    }
    assert.equal(await store.fill(entry('lease'), held, valueOf(held), LATER), 'refused');
  });

  it('treats bytes that are not a record of this wire version as missing', async ({ store, entry }) => {
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
      assert.equal(
        (await store.lease(key, token, 10_000, undefined)).status,
        'granted',
        foreign.toString('latin1'),
      );
      assert.equal(await store.fill(key, token, valueOf(token), LATER), 'stored');
    }
  });

  it('a lease expires on its own', async ({ store, entry, gone }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 60, undefined);
    await gone(entry('k'));
    assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
    assert.equal((await store.lease(entry('k'), newToken(), 10_000, undefined)).status, 'granted');
  });

  it('a lease ends at the returned time', async ({ store, entry, ends }) => {
    await store.lease(entry('k'), newToken(), 5_000, undefined);
    await ends(entry('k'), 5_000);
  });

  // --- extend --------------------------------------------------------------------------------------------------------

  it('extends a lease', async ({ store, entry, ends }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 1_000, undefined);
    assert.ok(await store.extend(entry('k'), token, 20_000));
    await ends(entry('k'), 20_000);
  });

  it('extends only the lease of its token', async ({ store, entry, ends }) => {
    const token = newToken();
    assert.equal(await store.extend(entry('k'), token, 20_000), false);
    assert.equal((await store.read(entry('k'), [])).record, null);
    await store.lease(entry('k'), newToken(), 5_000, undefined);
    assert.equal(await store.extend(entry('k'), token, 20_000), false);
    const filled = await fill(store, entry('value'), { ttl: 5_000 });
    assert.equal(await store.extend(entry('value'), filled.token, 20_000), false);
    await ends(entry('value'), 5_000);
  });

  // --- fill ----------------------------------------------------------------------------------------------------------

  it('a fill replaces the lease with the value, for its ttl', async ({ store, entry, ends }) => {
    const { record } = await fill(store, entry('k'), { ttl: 7_000 });
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
    await ends(entry('k'), 7_000);
  });

  it('G6 age: a fill after its end stores nothing and removes the lease', async ({ store, entry }) => {
    const token = newToken();
    const reply = await store.lease(entry('k'), token, 10_000, undefined);
    if (reply.status !== 'granted') assert.fail(reply.status);
    assert.equal(await store.fill(entry('k'), token, valueOf(token), reply.storeTime - 1), 'expired');
    assert.equal((await store.read(entry('k'), [])).record, null);
    assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
  });

  it('G6 age: a fill after its end stores nothing and wakes the waiters', async ({
    store,
    entry,
    told,
    listening,
  }) => {
    await listening(entry('k'));
    const token = newToken();
    const reply = await store.lease(entry('k'), token, 10_000, undefined);
    if (reply.status !== 'granted') assert.fail(reply.status);
    assert.equal((await store.lease(entry('k'), newToken(), 10_000, undefined)).status, 'held');
    assert.equal(await store.fill(entry('k'), token, valueOf(token), reply.storeTime - 1), 'expired');
    await told(entry('k'));
  });

  it('G1 no resurrection: refuses a fill without a lease: absence means refuse', async ({ store, entry }) => {
    const token = newToken();
    assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
    assert.equal((await store.read(entry('k'), [])).record, null);
  });

  it('G1 no resurrection: refuses a fill over another lease, which stays', async ({ store, entry }) => {
    const holder = newToken();
    const late = newToken();
    await store.lease(entry('k'), holder, 10_000, undefined);
    assert.equal(await store.fill(entry('k'), late, valueOf(late), LATER), 'refused');
    assert.equal(await store.fill(entry('k'), holder, valueOf(holder), LATER), 'stored');
  });

  it('G1 no resurrection: refuses a fill over another value, which stays', async ({ store, entry }) => {
    const { record } = await fill(store, entry('k'));
    const late = newToken();
    assert.equal(await store.fill(entry('k'), late, valueOf(late), LATER), 'refused');
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('G1 no resurrection: refuses a fill after a removal or a release', async ({ store, entry }) => {
    const removed = newToken();
    await store.lease(entry('removed'), removed, 10_000, undefined);
    await store.remove([entry('removed')]);
    assert.equal(await store.fill(entry('removed'), removed, valueOf(removed), LATER), 'refused');
    const released = newToken();
    await store.lease(entry('released'), released, 10_000, undefined);
    await store.release(entry('released'), released);
    assert.equal(await store.fill(entry('released'), released, valueOf(released), LATER), 'refused');
    assert.equal((await store.read(entry('removed'), [])).record, null);
    assert.equal((await store.read(entry('released'), [])).record, null);
  });

  it('accepts a repeated fill and leaves the value as it is', async ({ store, entry, ends }) => {
    const { token, record } = await fill(store, entry('k'), { ttl: 5_000 });
    assert.equal(await store.fill(entry('k'), token, record, LATER), 'stored');
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
    await ends(entry('k'), 5_000);
  });

  it('G1 no resurrection: refuses a repeated fill after a removal, over the next lease and over the next value', async (opened) => {
    const { store, entry } = opened;
    const { token, record } = await fill(store, entry('k'));
    await store.remove([entry('k')]);
    assert.equal(await store.fill(entry('k'), token, record, LATER), 'refused');
    const next = newToken();
    await store.lease(entry('k'), next, 10_000, undefined);
    assert.equal(await store.fill(entry('k'), token, record, LATER), 'refused');
    const value = valueOf(next);
    assert.equal(await store.fill(entry('k'), next, value, LATER), 'stored');
    assert.equal(await store.fill(entry('k'), token, record, LATER), 'refused');
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), value);
  });

  // --- release -------------------------------------------------------------------------------------------------------

  it('releases a lease', async ({ store, entry }) => {
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, undefined);
    assert.ok(await store.release(entry('k'), token));
    assert.equal((await store.read(entry('k'), [])).record, null);
    assert.equal(await store.release(entry('k'), token), false);
  });

  it('releases neither the lease of another token nor a value', async ({ store, entry }) => {
    const holder = newToken();
    await store.lease(entry('k'), holder, 10_000, undefined);
    assert.equal(await store.release(entry('k'), newToken()), false);
    assert.equal(tokenOf((await store.read(entry('k'), [])).record!), holder);
    const { token, record } = await fill(store, entry('value'));
    assert.equal(await store.release(entry('value'), token), false);
    assert.deepEqual(bytesOf((await store.read(entry('value'), [])).record), record);
  });

  // --- remove --------------------------------------------------------------------------------------------------------

  it('removes values, leases and other bytes, and accepts missing keys', async ({ store, entry }) => {
    await fill(store, entry('value'));
    await store.lease(entry('lease'), newToken(), 10_000, undefined);
    const token = newToken();
    await store.lease(entry('bytes'), token, 10_000, undefined);
    await store.fill(entry('bytes'), token, Buffer.from('x'), LATER);
    const names = ['value', 'lease', 'bytes', 'absent', 'value'].map(entry);
    await store.remove(names);
    await store.remove(names);
    for (const name of names) assert.equal((await store.read(name, [])).record, null);
    await store.remove([]);
  });

  it('removes many keys at once, and nothing else', async ({ store, entry }) => {
    const names = Array.from({ length: 600 }, (_, i) => entry(`k${i}`));
    await Promise.all([0, 299, 599].map((i) => fill(store, names[i]!)));
    await fill(store, entry('other'));
    await store.remove(names);
    for (const i of [0, 299, 599]) assert.equal((await store.read(names[i]!, [])).record, null);
    assert.notEqual((await store.read(entry('other'), [])).record, null);
  });

  // --- wakeups -------------------------------------------------------------------------------------------------------

  it('a fill, a release and a removal of a lease wake its waiters', async (opened) => {
    const { store, entry, woken, told, listening } = opened;
    const token = newToken();
    const keys = ['filled', 'released', 'removed'].map(entry);
    await listening(...keys);
    for (const key of keys) {
      await store.lease(key, token, 10_000, undefined);
      assert.equal((await store.lease(key, newToken(), 10_000, undefined)).status, 'held');
    }
    await store.fill(entry('filled'), token, valueOf(token), LATER);
    await store.release(entry('released'), token);
    await store.remove([entry('removed')]);
    await told(...keys);
    assert.deepEqual([...woken()].sort(), [...keys].sort());
  });

  it('publishes no wakeup if nobody waits', async ({ store, entry, woken, told, listening }) => {
    const token = newToken();
    const keys = ['filled', 'released', 'removed'].map(entry);
    await listening(...keys);
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
    await told(...keys);
    assert.deepEqual([...woken()].sort(), [...keys].sort());
  });

  it('an extended lease keeps its waiters', async ({ store, entry, woken, told, listening }) => {
    const token = newToken();
    await listening(entry('k'));
    await store.lease(entry('k'), token, 10_000, undefined);
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    await store.extend(entry('k'), token, 10_000);
    await store.release(entry('k'), token);
    await told(entry('k'));
    assert.deepEqual(woken(), [entry('k')]);
  });

  it('a replaced lease keeps its waiters', async ({ store, entry, woken, told, listening }) => {
    await listening(entry('k'));
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    await store.lease(entry('k'), newToken(), 10_000, undefined);
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, '*');
    await store.fill(entry('k'), token, valueOf(token), LATER);
    await told(entry('k'));
    assert.deepEqual(woken(), [entry('k')]);
  });

  // --- getOrCreateNonces ---------------------------------------------------------------------------------------------

  it('getOrCreateNonces creates missing nonces and keeps existing ones', async ({ store, tag, clear }) => {
    const first = newToken();
    const second = newToken();
    assert.deepEqual((await store.getOrCreateNonces([tag('a')], undefined, first, 60_000)).nonces, [first]);
    assert.deepEqual((await store.getOrCreateNonces([clear, tag('a')], undefined, second, 60_000)).nonces, [
      second,
      first,
    ]);
    assert.deepEqual(
      (await store.getOrCreateNonces([tag('a'), clear], undefined, newToken(), 60_000)).nonces,
      [first, second],
    );
    assert.deepEqual(await store.nonces([clear, tag('a')]), [second, first]);
  });

  it('concurrent getOrCreateNonces return the same nonces', async ({ store, tag }) => {
    const tagStates = await Promise.all(
      Array.from({ length: 50 }, () =>
        store.getOrCreateNonces([tag('a'), tag('b')], undefined, newToken(), 60_000),
      ),
    );
    assert.equal(new Set(tagStates.map(({ nonces }) => nonces[0])).size, 1);
    assert.equal(new Set(tagStates.map(({ nonces }) => nonces[1])).size, 1);
  });

  it('nonces expire after their ttl', async ({ store, tag, ends }) => {
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 9_000);
    await ends(tag('a'), 9_000);
  });

  it('getOrCreateNonces extends the ttl of a nonce', async ({ store, tag, ends }) => {
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 2_000);
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 9_000);
    await ends(tag('a'), 9_000);
  });

  it('getOrCreateNonces never shortens the ttl of a nonce', async ({ store, tag, ends }) => {
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 9_000);
    await store.getOrCreateNonces([tag('a')], undefined, newToken(), 2_000);
    await ends(tag('a'), 9_000);
  });

  it('getOrCreateNonces creates the tag changes as an identity and zeros, and keeps existing ones', async (opened) => {
    const { store, tag, tagChanges, ends } = opened;
    assert.equal(
      (await store.getOrCreateNonces([tag('a')], undefined, newToken(), 2_000)).tagChanges.length,
      0,
    );
    const first = newToken();
    const made = await store.getOrCreateNonces([], tagChanges, first, 2_000);
    assert.equal(made.tagChanges.length, TAG_CHANGES_LENGTH);
    assert.equal(Buffer.from(made.tagChanges.subarray(0, TAG_CHANGES_IDENTITY)).toString('latin1'), first);
    assert.ok(made.tagChanges.subarray(TAG_CHANGES_IDENTITY).every((byte) => byte === 0));
    const kept = await store.getOrCreateNonces([tag('b')], tagChanges, newToken(), 9_000);
    assert.deepEqual(bytesOf(kept.tagChanges), bytesOf(made.tagChanges));
    await ends(tagChanges, 9_000);
  });

  it('getOrCreateNonces creates a new nonce after a removal, and new tag changes after theirs', async (opened) => {
    const { store, tag, tagChanges } = opened;
    const before = await store.getOrCreateNonces([tag('a')], tagChanges, newToken(), 60_000);
    await store.removeNonces([tag('a')], tagChanges, [7], newToken());
    await store.remove([tagChanges]);
    const after = await store.getOrCreateNonces([tag('a')], tagChanges, newToken(), 60_000);
    assert.notEqual(after.nonces[0], before.nonces[0]);
    assert.notDeepEqual(identityOf(after.tagChanges), identityOf(before.tagChanges));
  });

  // --- removeNonces --------------------------------------------------------------------------------------------------

  it('G7 tags: removes nonces, and accepts missing ones', async ({
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
    assert.deepEqual(snapshot.nonces, [nonces[0], null, nonces[2]]);
  });

  it('G7 tags: removeNonces marks the given buckets of the tag changes, and only those', async ({
    store,
    tag,
    tagChanges,
  }) => {
    const before = (await store.getOrCreateNonces([], tagChanges, newToken(), 60_000)).tagChanges;
    await store.removeNonces([tag('a'), tag('b')], tagChanges, [0, 200, 255], newToken());
    const after = (await store.getOrCreateNonces([], tagChanges, newToken(), 60_000)).tagChanges;
    assert.deepEqual(identityOf(after), identityOf(before));
    for (let bucket = 0; bucket < 256; bucket++) {
      const changed = !bucketIn(after, bucket).equals(bucketIn(before, bucket));
      assert.equal(changed, [0, 200, 255].includes(bucket), `bucket ${bucket}`);
    }
  });

  it('G7 tags: removeNonces marks the same bucket with a new value each time', async ({
    store,
    tagChanges,
  }) => {
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const { tagChanges: now } = await store.getOrCreateNonces([], tagChanges, newToken(), 60_000);
      seen.add(bucketIn(now, 9).toString('hex'));
      await store.removeNonces([], tagChanges, [9], newToken());
    }
    assert.equal(seen.size, 5);
  });

  it('removeNonces does not create the tag changes', async ({ store, tag, tagChanges }) => {
    await store.removeNonces([tag('a')], tagChanges, [3], newToken());
    const identity = newToken();
    const { tagChanges: made } = await store.getOrCreateNonces([], tagChanges, identity, 60_000);
    assert.equal(identityOf(made).toString('latin1'), identity);
    assert.ok(made.subarray(TAG_CHANGES_IDENTITY).every((byte) => byte === 0));
  });

  it('removeNonces does not change the ttl of the tag changes', async ({ store, tagChanges, ends }) => {
    await store.getOrCreateNonces([], tagChanges, newToken(), 9_000);
    await store.removeNonces([], tagChanges, [3], newToken());
    await ends(tagChanges, 9_000);
  });

  // --- refreshable values --------------------------------------------------------------------------------------------

  it('a lease that keeps the value leaves it readable, and the new value replaces it', async (opened) => {
    const { store, entry } = opened;
    const old = await fill(store, entry('k'), { refreshable: true });
    const token = newToken();
    assert.equal(
      (await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value')).status,
      'granted',
    );
    const kept = (await store.read(entry('k'), [])).record!;
    assert.equal(tokenOf(kept), old.token);
    const { refreshingUntil } = decodeEntry('k', kept)!.refreshable!;
    assert.ok(refreshingUntil > 0);
    const record = valueOf(token);
    assert.equal(await store.fill(entry('k'), token, record, LATER), 'stored');
    assert.equal(await store.fill(entry('k'), token, record, LATER), 'stored');
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
  });

  it('a kept value has one lease, which its holder may ask for again', async ({ store, entry }) => {
    const old = await fill(store, entry('k'), { refreshable: true });
    const [first, second] = [newToken(), newToken()];
    const lease = (token: string, replaces = old.token) =>
      store.lease(entry('k'), token, 10_000, replaces, undefined, 'value');
    assert.equal((await lease(first)).status, 'granted');
    const held = await lease(second);
    assert.ok(held.status === 'held' && held.forMs > 9_000 && held.forMs <= 10_000);
    assert.equal((await lease(first)).status, 'granted');
    assert.equal((await lease(second, newToken())).status, 'present');
    assert.equal(await store.fill(entry('k'), second, valueOf(second), LATER), 'refused');
    assert.equal(await store.extend(entry('k'), second, 10_000), false);
    assert.equal(await store.release(entry('k'), second), false);
    assert.ok(await store.extend(entry('k'), first, 10_000));
  });

  it('the lease of a kept value ends, and another one is granted', async ({ store, entry, gone }) => {
    const old = await fill(store, entry('k'), { refreshable: true });
    const [first, second] = [newToken(), newToken()];
    await store.lease(entry('k'), first, 1, old.token, undefined, 'value');
    await fill(store, entry('timer'), { ttl: 5 });
    await gone(entry('timer'));
    const reply = await store.lease(entry('k'), second, 10_000, old.token, undefined, 'value');
    assert.equal(reply.status, 'granted');
    assert.equal(await store.fill(entry('k'), first, valueOf(first), LATER), 'refused');
    assert.equal(await store.fill(entry('k'), second, valueOf(second), LATER), 'stored');
  });

  it('a kept value lives as long as its lease', async ({ store, entry, ends }) => {
    const old = await fill(store, entry('k'), { refreshable: true, ttl: 5_000 });
    const token = newToken();
    await store.lease(entry('k'), token, 60_000, old.token, undefined, 'value');
    await ends(entry('k'), 60_000);
  });

  it('an extension of the lease lets the kept value live on, too', async ({ store, entry, ends }) => {
    const old = await fill(store, entry('k'), { refreshable: true, ttl: 5_000 });
    const token = newToken();
    await store.lease(entry('k'), token, 1_000, old.token, undefined, 'value');
    assert.ok(await store.extend(entry('k'), token, 60_000));
    await ends(entry('k'), 60_000);
  });

  it('release keeps a kept value, with or without a time before which it is not loaded again', async (opened) => {
    const { store, entry } = opened;
    const old = await fill(store, entry('k'), { refreshable: true });
    const refreshable = async () =>
      decodeEntry('k', (await store.read(entry('k'), [])).record!)!.refreshable!;
    const lease = (keeps: 'value' | 'back-off') =>
      store.lease(entry('k'), newToken(), 10_000, old.token, undefined, keeps);
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value');
    assert.ok(await store.release(entry('k'), token));
    assertLike(await refreshable(), { retryAt: 0, refreshingUntil: 0 });
    await store.lease(entry('k'), token, 10_000, old.token, undefined, 'back-off');
    const before = await store.time(entry('k'));
    assert.ok(await store.release(entry('k'), token, 20_000));
    assert.equal(await store.release(entry('k'), token, 20_000), false);
    const { retryAt, refreshingUntil } = await refreshable();
    assert.equal(refreshingUntil, 0);
    assert.ok(Math.abs(retryAt - before - 20_000) < 10_000);
    const present = await lease('back-off');
    assert.ok(present.status === 'present' && tokenOf(present.record) === old.token);
    assert.equal((await lease('value')).status, 'granted');
  });

  for (const refreshable of [false, true]) {
    const what = refreshable ? 'a refreshable value' : 'a value';

    it(`a put keeps ${what} readable, gets its lease from whoever has it, and replaces it`, async ({
      store,
      entry,
    }) => {
      const old = await fill(store, entry('k'), { refreshable, ttl: 60_000 });
      const [first, second] = [newToken(), newToken()];
      const put = (token: string) => store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      assert.equal((await put(first)).status, 'granted');
      const kept = decodeEntry('k', (await store.read(entry('k'), [])).record!)!;
      assert.equal(kept.token, old.token);
      assert.equal(kept.payload.toString(), '"value"');
      if (!refreshable)
        assert.equal(kept.refreshable!.staleUntil, kept.freshUntil, 'It is not returned after its ttl.');
      assert.equal((await put(second)).status, 'granted');
      assert.equal(await store.fill(entry('k'), first, valueOf(first), LATER), 'refused');
      assert.equal(await store.fill(entry('k'), second, valueOf(second), LATER), 'stored');
      assert.equal(tokenOf((await store.read(entry('k'), [])).record!), second);
    });

    it(`a put that is given up leaves ${what}, and a removal leaves nothing of the put`, async ({
      store,
      entry,
    }) => {
      const old = await fill(store, entry('k'), { refreshable });
      const token = newToken();
      await store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      assert.ok(await store.release(entry('k'), token));
      assert.equal(decodeEntry('k', (await store.read(entry('k'), [])).record!)!.token, old.token);
      await store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      await store.remove([entry('k')]);
      assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
      assert.equal((await store.read(entry('k'), [])).record, null);
    });
  }

  it('a put of a key without a value has a lease as a load has', async ({ store, entry }) => {
    const [load, put] = [newToken(), newToken()];
    await store.lease(entry('k'), load, 10_000, undefined);
    assert.equal((await store.lease(entry('k'), put, 10_000, '*', undefined, 'value')).status, 'granted');
    assert.equal((await store.lease(entry('k'), newToken(), 10_000, undefined)).status, 'held');
    assert.equal(await store.fill(entry('k'), load, valueOf(load), LATER), 'refused');
    assert.equal(await store.fill(entry('k'), put, valueOf(put), LATER, true), 'stored');
  });

  // --- idle values -----------------------------------------------------------------------------------------------------

  for (const refreshable of [false, true]) {
    const what = refreshable ? 'a refreshable idle value' : 'an idle value';

    it(`${what} that is touched lives for its idle time from then`, async ({ store, entry, ends }) => {
      const limits = { refreshable, idleTtl: 20_000, ttl: 60_000, until: 5_000 };
      const { token, record } = await fillIdle(store, entry('k'), limits);
      await store.touch(entry('k'), token);
      assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), record);
      await ends(entry('k'), 20_000);
    });

    it(`G6 age: ${what} ends with its ttl, however often it is touched`, async ({ store, entry, ends }) => {
      const limits = { refreshable, idleTtl: 50_000, ttl: 30_000, until: 20_000 };
      const { token } = await fillIdle(store, entry('k'), limits);
      for (let i = 0; i < 3; i++) await store.touch(entry('k'), token);
      await ends(entry('k'), 30_000);
    });

    it(`a touch of another value, such as a late one, does not let ${what} live on`, async (opened) => {
      const { store, entry, ends } = opened;
      const limits = { refreshable, idleTtl: 20_000, ttl: 60_000, until: 5_000 };
      await fillIdle(store, entry('k'), limits);
      await store.touch(entry('k'), newToken());
      await ends(entry('k'), 5_000);
    });
  }

  it('a touch does not shorten the life of a value that is kept for its lease', async (opened) => {
    const { store, entry, ends } = opened;
    const limits = { refreshable: true, idleTtl: 10_000, ttl: 60_000, until: 5_000 };
    const { token } = await fillIdle(store, entry('k'), limits);
    await store.lease(entry('k'), newToken(), 40_000, token, undefined, 'value');
    await store.touch(entry('k'), token);
    await ends(entry('k'), 40_000);
  });

  it('an idle value that a put has kept is touched as before', async ({ store, entry, ends }) => {
    const limits = { refreshable: false, idleTtl: 20_000, ttl: 60_000, until: 5_000 };
    const { token } = await fillIdle(store, entry('k'), limits);
    const put = newToken();
    await store.lease(entry('k'), put, 1_000, '*', undefined, 'value');
    await store.release(entry('k'), put);
    assert.equal(decodeEntry('k', (await store.read(entry('k'), [])).record!)!.idleTtl, 20_000);
    await store.touch(entry('k'), token);
    await ends(entry('k'), 20_000);
  });

  it('a touch creates nothing, and changes no lease and no mark', async ({ store, entry }) => {
    const token = newToken();
    await store.touch(entry('k'), token);
    assert.equal((await store.read(entry('k'), [])).record, null);
    await store.lease(entry('k'), token, 5_000, undefined);
    await store.touch(entry('k'), token);
    const reply = await store.lease(entry('k'), newToken(), 5_000, undefined);
    assert.ok(reply.status === 'held' && reply.forMs <= 5_000);
    const limits = { refreshable: false, idleTtl: 20_000, ttl: 60_000, until: 5_000 };
    const idle = await fillIdle(store, entry('marked'), limits);
    const mark = newToken();
    await store.mark('entries', [entry('marked')], mark, 30_000);
    await store.touch(entry('marked'), idle.token);
    assert.ok(isInDoubt((await store.read(entry('marked'), [])).record!));
    await store.unmark('entries', [entry('marked')], mark);
    assert.deepEqual(bytesOf((await store.read(entry('marked'), [])).record), idle.record);
  });

  it('a touch does not change the end of a value without an idle time', async ({ store, entry, ends }) => {
    const { token } = await fill(store, entry('k'), { ttl: 5_000, refreshable: true });
    await store.touch(entry('k'), token);
    await ends(entry('k'), 5_000);
  });

  // --- marks -----------------------------------------------------------------------------------------------------------

  it('a marked key has no value and no lease, and grants none; unmarked, it is as before', async (opened) => {
    const { store, entry, ends } = opened;
    const old = await fill(store, entry('k'), { ttl: 60_000 });
    const token = newToken();
    await store.mark('entries', [entry('k')], token, 30_000);
    const { record } = await store.read(entry('k'), []);
    assert.ok(isInDoubt(record!));
    assert.equal(decodeEntry('k', record!), undefined);
    assert.equal((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'in-doubt');
    assert.equal(
      (await store.lease(entry('k'), newToken(), 1_000, old.token, undefined, 'value')).status,
      'in-doubt',
    );
    assert.equal(await store.fill(entry('k'), old.token, old.record, LATER), 'refused');
    assert.equal(await store.release(entry('k'), old.token), false);
    await store.unmark('entries', [entry('k')], newToken());
    assert.ok(isInDoubt((await store.read(entry('k'), [])).record!), 'Another token removes no mark.');
    await store.unmark('entries', [entry('k')], token);
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), old.record);
    await ends(entry('k'), 60_000);
  });

  it('a mark ends after its time, and a repeated request moves its end', async ({ store, entry, ends }) => {
    const token = newToken();
    await store.mark('entries', [entry('k')], token, 5_000);
    await store.mark('entries', [entry('k')], token, 60_000);
    await ends(entry('k'), 60_000);
  });

  it('a marked lease is lost for its load, and its waiters are woken', async ({
    store,
    entry,
    told,
    listening,
  }) => {
    await listening(entry('k'));
    const [load, write] = [newToken(), newToken()];
    await store.lease(entry('k'), load, 60_000, undefined);
    await store.lease(entry('k'), newToken(), 60_000, undefined);
    await store.mark('entries', [entry('k'), entry('l')], write, 30_000);
    await told(entry('k'));
    assert.equal(await store.extend(entry('k'), load, 60_000), false);
    assert.equal(await store.fill(entry('k'), load, valueOf(load), LATER), 'refused');
    await store.unmark('entries', [entry('k'), entry('l')], write);
    for (const key of [entry('k'), entry('l')]) assert.equal((await store.read(key, [])).record, null);
  });

  it('a marked value stands again without the lease of its refresh, which is lost', async ({
    store,
    entry,
  }) => {
    const old = await fill(store, entry('k'), { refreshable: true, ttl: 60_000 });
    const [load, write] = [newToken(), newToken()];
    await store.lease(entry('k'), load, 60_000, old.token, undefined, 'value');
    assert.equal(
      (await store.lease(entry('k'), newToken(), 60_000, old.token, undefined, 'value')).status,
      'held',
    );
    await store.mark('entries', [entry('k')], write, 30_000);
    await store.unmark('entries', [entry('k')], write);
    assert.equal(await store.release(entry('k'), load), false);
    assert.deepEqual(bytesOf((await store.read(entry('k'), [])).record), old.record);
    assert.equal(
      (await store.lease(entry('k'), newToken(), 60_000, old.token, undefined, 'value')).status,
      'granted',
    );
  });

  it('a put whose mark another write has joined leaves no lease: a value stands again without it', async (opened) => {
    const { store, entry } = opened;
    const old = await fill(store, entry('k'));
    const [put, other] = [newToken(), newToken()];
    await store.lease(entry('k'), put, 10_000, '*', undefined, 'value');
    await store.mark('entries', [entry('k')], put, 30_000);
    await store.mark('entries', [entry('k')], other, 30_000);
    await store.unmark('entries', [entry('k')], put);
    assert.equal(await store.release(entry('k'), put), false);
    await store.unmark('entries', [entry('k')], other);
    assert.equal(await store.release(entry('k'), put), false);
    assert.equal(decodeEntry('k', (await store.read(entry('k'), [])).record!)!.token, old.token);
  });

  it('each write has a mark of its own: what stood before stands again after the last one', async (opened) => {
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
      assert.equal(isInDoubt(record!), !stands);
      assert.equal(nonces[0] === nonce, stands);
      if (stands) assert.deepEqual(bytesOf(record), old.record);
    }
  });

  it('a removal ends its own mark, and the marks of others stay; what stood before does not stand again', async (opened) => {
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
    assert.ok(isInDoubt((await store.read(entry('k'), [])).record!));
    assert.deepEqual((await create()).nonces, [null]);
    await store.unmark('entries', [entry('k')], other);
    await store.unmark('nonces', [tag('a')], other);
    assert.equal((await store.read(entry('k'), [])).record, null);
    const [next] = (await create()).nonces;
    assert.ok(next !== null && next !== nonce);
  });

  it('an invalidation without a mark leaves the marks of writes', async ({
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
    assert.equal((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'in-doubt');
    assert.deepEqual((await store.getOrCreateNonces([tag('a')], undefined, newToken(), 60_000)).nonces, [
      null,
    ]);
    await store.unmark('entries', [entry('k')], token);
    assert.equal((await store.read(entry('k'), [])).record, null);
  });

  it('a set under a mark is refused, and what stood before it does not stand again', async ({
    store,
    entry,
  }) => {
    const token = newToken();
    await fill(store, entry('k'));
    await store.mark('entries', [entry('k')], token, 30_000);
    assert.equal((await store.lease(entry('k'), newToken(), 1_000, '*')).status, 'in-doubt');
    await store.unmark('entries', [entry('k')], token);
    assert.equal((await store.read(entry('k'), [])).record, null);
  });

  it('a mark that ends by itself takes the entry with it', async ({ store, entry, gone }) => {
    await fill(store, entry('k'));
    const token = newToken();
    await store.mark('entries', [entry('k')], token, 200);
    await gone(entry('k'));
    await store.unmark('entries', [entry('k')], token);
    assert.equal((await store.read(entry('k'), [])).record, null);
    assert.equal((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'granted');
  });

  it('a mark that has ended takes the entry with it also if another write has a mark', async (opened) => {
    const { store, entry, tag, gone } = opened;
    await fill(store, entry('k'));
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
    // Begins after the marks: when it is gone, the first of them has ended.
    await fill(store, entry('clock'), { ttl: 250 });
    await gone(entry('clock'));
    assertLike(await create(), { nonces: [null], ended: [] });
    // A renewal is another moment at which the end is seen.
    await store.mark('entries', [entry('k')], live, 60_000);
    await store.unmark('entries', [entry('k')], live);
    await store.unmark('nonces', [tag('a')], live);
    assert.equal((await store.read(entry('k'), [])).record, null);
    assertLike(await create(), { nonces: [null], ended: [tag('a')] });
  });

  it('a write that fails after the mark of another one has ended puts nothing back', async (opened) => {
    const { store, entry, gone } = opened;
    await fill(store, entry('k'));
    const [dead, live] = [newToken(), newToken()];
    await store.mark('entries', [entry('k')], dead, 200);
    await store.mark('entries', [entry('k')], live, 60_000);
    await fill(store, entry('clock'), { ttl: 250 });
    await gone(entry('clock'));
    await store.unmark('entries', [entry('k')], live);
    assert.equal((await store.read(entry('k'), [])).record, null);
  });

  it('a nonce whose mark has ended is told, and not replaced before an invalidation', async (opened) => {
    const { store, entry, tag, tagChanges, gone } = opened;
    const fresh = newToken();
    const create = () => store.getOrCreateNonces([tag('a')], tagChanges, fresh, 60_000);
    const before = await create();
    await store.mark('nonces', [tag('a')], newToken(), 500);
    assertLike(await create(), { nonces: [null], ended: [] });
    await fill(store, entry('clock'), { ttl: 550 });
    await gone(entry('clock'));
    assertLike(await create(), { nonces: [null], ended: [tag('a')] });
    await store.removeNonces([tag('a')], tagChanges, [7], newToken());
    const after = await create();
    assert.deepEqual(after.ended, []);
    assert.deepEqual(after.nonces, [fresh]);
    assert.notDeepEqual(bucketIn(before.tagChanges, 7), bucketIn(after.tagChanges, 7));
  });

  for (const before of ['a value', 'a refreshable value', 'nothing'] as const) {
    it(`a put under its own mark replaces both the mark and ${before}`, async ({ store, entry }) => {
      if (before !== 'nothing') await fill(store, entry('k'), { refreshable: before !== 'a value' });
      const token = newToken();
      const put = await store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
      assert.equal(put.status, 'granted');
      await store.mark('entries', [entry('k')], token, 30_000);
      await store.mark('entries', [entry('k')], token, 60_000);
      assert.equal((await store.lease(entry('k'), newToken(), 1_000, undefined)).status, 'in-doubt');
      assert.equal(await store.fill(entry('k'), newToken(), valueOf(newToken()), LATER), 'refused');
      assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER, true), 'stored');
      assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER, true), 'stored');
      assert.equal(tokenOf((await store.read(entry('k'), [])).record!), token);
    });
  }

  it('a put that fails lifts its mark and gives its lease back: what stood before stands again', async (opened) => {
    const { store, entry } = opened;
    const old = await fill(store, entry('k'));
    const token = newToken();
    await store.lease(entry('k'), token, 10_000, '*', undefined, 'value');
    await store.mark('entries', [entry('k')], token, 30_000);
    await store.unmark('entries', [entry('k')], token);
    assert.ok(await store.release(entry('k'), token));
    assert.equal(decodeEntry('k', (await store.read(entry('k'), [])).record!)!.token, old.token);
  });

  it('a put under the mark of another write stores nothing, and the other mark stays', async (opened) => {
    const { store, entry } = opened;
    for (const order of ['other first', 'put first']) {
      const [put, other] = [newToken(), newToken()];
      await store.lease(entry(order), put, 10_000, '*', undefined, 'value');
      const marks = order === 'put first' ? [put, other] : [other, put];
      for (const token of marks) await store.mark('entries', [entry(order)], token, 30_000);
      assert.equal(await store.fill(entry(order), put, valueOf(put), LATER), 'refused');
      await store.remove([entry(order)], put);
      assert.ok(isInDoubt((await store.read(entry(order), [])).record!));
      await store.remove([entry(order)], other);
      assert.equal((await store.read(entry(order), [])).record, null);
    }
  });

  it('a put under its own mark stores nothing after another put, and after an invalidation of any kind', async (opened) => {
    const { store, entry, gone } = opened;
    const other = newToken();
    const ends: Record<string, (key: string) => Promise<unknown>> = {
      removal: (key) => store.remove([key]),
      put: (key) => store.lease(key, newToken(), 10_000, '*', undefined, 'value'),
      'a write that has ended': async (key) => {
        await store.mark('entries', [key], other, 30_000);
        await store.remove([key], other);
      },
      'a write that has died': async (key) => {
        await store.mark('entries', [key], other, 200);
        await fill(store, entry('clock'), { ttl: 250 });
        await gone(entry('clock'));
        await store.mark('entries', [key], newToken(), 30_000);
      },
    };
    for (const [name, end] of Object.entries(ends)) {
      const token = newToken();
      await store.lease(entry(name), token, 10_000, '*', undefined, 'value');
      await store.mark('entries', [entry(name)], token, 30_000);
      await end(entry(name));
      assert.equal(await store.fill(entry(name), token, valueOf(token), LATER), 'refused', name);
    }
  });

  it('a removal ends the lease of a kept value, and so does a lease that keeps nothing', async (opened) => {
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
      assert.equal(await store.fill(entry('k'), token, valueOf(token), LATER), 'refused');
    }
  });

  for (const how of ['fill', 'release', 'remove'] as const) {
    it(`${how} wakes those that wait for the lease of a kept value`, async ({
      store,
      entry,
      told,
      woken,
      listening,
    }) => {
      await listening(entry('k'));
      const old = await fill(store, entry('k'), { refreshable: true });
      const token = newToken();
      await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value');
      await store.lease(entry('k'), newToken(), 10_000, old.token, undefined, 'value');
      if (how === 'fill') await store.fill(entry('k'), token, valueOf(token), LATER);
      else if (how === 'release') await store.release(entry('k'), token);
      else await store.remove([entry('k')]);
      await told(entry('k'));
      assert.deepEqual(woken(), [entry('k')]);
    });
  }

  it('a value that is not refreshable is not kept', async ({ store, entry }) => {
    const old = await fill(store, entry('k'));
    const token = newToken();
    assert.equal(
      (await store.lease(entry('k'), token, 10_000, old.token, undefined, 'value')).status,
      'granted',
    );
    assert.equal((await store.read(entry('k'), [])).record?.length, LEASE_LENGTH);
    assert.ok(await store.release(entry('k'), token, 1_000));
    assert.equal((await store.read(entry('k'), [])).record, null);
  });

  it('tells its time, or more: it is not behind an earlier grant', async ({ store, entry }) => {
    for (let i = 0; i < 3; i++) {
      const granted = await store.lease(entry(`k${i}`), newToken(), 1_000, undefined);
      assert.ok(granted.status === 'granted');
      const time = await store.time(entry(`k${i}`));
      // A grant is in whole milliseconds.
      assert.ok(time >= granted.storeTime, `${time} is before the grant at ${granted.storeTime}`);
      assert.ok(time < granted.storeTime + 60_000);
    }
  });

  // --- close ---------------------------------------------------------------------------------------------------------

  it('refuses every verb after close', async ({ store, entry, tag, tagChanges, close }) => {
    await close();
    await close();
    const verbs: Record<keyof EntryStore, () => Promise<unknown>> = {
      read: () => store.read(entry('k'), []),
      time: () => store.time(entry('k')),
      nonces: () => store.nonces([tag('a')]),
      lease: () => store.lease(entry('k'), newToken(), 1_000, undefined),
      extend: () => store.extend(entry('k'), newToken(), 1_000),
      fill: () => store.fill(entry('k'), newToken(), valueOf(newToken()), LATER),
      touch: () => store.touch(entry('k'), newToken()),
      release: () => store.release(entry('k'), newToken()),
      remove: () => store.remove([entry('k')]),
      mark: () => store.mark('entries', [entry('k')], newToken(), 1_000),
      unmark: () => store.unmark('nonces', [tag('a')], newToken()),
      getOrCreateNonces: () => store.getOrCreateNonces([tag('a')], undefined, newToken(), 1_000),
      removeNonces: () => store.removeNonces([tag('a')], tagChanges, [], newToken()),
      replicated: () => store.replicated((own) => own.remove([entry('k')]), [entry('k')], 1, 1_000),
    };
    await assertRefused(verbs);
  });

  return tests;
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

/** Fills an idle value, which is kept `until` then, and ends with `ttl`. All in ms from now. */
async function fillIdle(
  store: EntryStore,
  name: string,
  limits: {
    readonly refreshable: boolean;
    readonly idleTtl: number;
    readonly ttl: number;
    readonly until: number;
  },
): Promise<{ readonly token: string; readonly record: Buffer }> {
  const token = newToken();
  const reply = await store.lease(name, token, 10_000, undefined);
  if (reply.status !== 'granted') throw new Error(`Expected ${name} to be free.`);
  const { storeTime } = reply;
  const end = storeTime + limits.ttl;
  const record = encodeEntry('k', {
    token,
    codec: 1,
    loadStart: storeTime,
    freshUntil: limits.refreshable ? storeTime + 1 : end,
    clearNonce: newToken(),
    tags: [],
    payload: Buffer.from('"value"'),
    refreshable: limits.refreshable ? { ...NOT_REFRESHED, staleUntil: end } : undefined,
    idleTtl: limits.idleTtl,
  });
  assert.equal(await store.fill(name, token, record, storeTime + limits.until), 'stored');
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
