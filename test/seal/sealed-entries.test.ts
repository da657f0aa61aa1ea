import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import {
  decodeEntry,
  encodeEntry,
  HAS_WAITERS,
  plainEntries,
  REFRESHABLE_HEAD,
  RETRY_AT,
  tokenOf,
  type Entry,
} from '../../src/core/ports/entry-format.js';
import type { SealMode } from '../../src/core/seal/seal-options.js';
import { SealedEntries } from '../../src/core/seal/sealed-entries.js';

const KEYS = [1, 2].map((seed) => Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 7 + seed) % 256)));
const MODES = ['encrypt', 'sign'] as const;

function sealedBy(mode: SealMode, keys = [KEYS[0]!], namespace = 'shop'): SealedEntries {
  return new SealedEntries({ keys, mode }, namespace);
}

const ENTRY: Entry = {
  token: 'AbCdEf-_01234567',
  codec: 1,
  loadStart: 1_700_000_000_123,
  freshUntil: 1_700_000_300_123.5,
  clearNonce: 'clear-nonce-0001',
  tags: [{ tag: 'users', nonce: 'nonce-of-users-1' }],
  payload: Buffer.from('{"name":"Ada"}'),
  refreshable: undefined,
  idleTtl: undefined,
};
const REFRESHABLE_ENTRY: Entry = {
  ...ENTRY,
  refreshable: { staleUntil: 1_700_000_900_123, loadMs: 7, retryAt: 0, refreshingUntil: 0 },
};

const IDLE_ENTRY: Entry = { ...REFRESHABLE_ENTRY, idleTtl: 60_000 };

/** What versions of this library have written. Never change one: they are in the stores of users. */
const WRITTEN: Readonly<Record<SealMode, string>> = {
  encrypt:
    'zgIBB0FiQ2RFZi1fMDEyMzQ1NjdCeLz+VoewAEJ4vP6fxbgAY2xlYXItbm9uY2UtMDAwMQAGAAEAAAA/dXNlcjoxAAV1c2Vyc25vbmNlLW9mLXVzZXJzLTGcKa4yB278JNxcKuPOBJyN+VDcL2bng7bYAC3R5EaQj5aKD7CYg/9NjLncul29FnjMzTcIEvelOuur7qjB5XA=',
  sign: 'zgIBCEFiQ2RFZi1fMDEyMzQ1NjdCeLz+VoewAEJ4vP6fxbgAY2xlYXItbm9uY2UtMDAwMQAGAAEAAAA3dXNlcjoxAAV1c2Vyc25vbmNlLW9mLXVzZXJzLTEMftVr+VzgYgF7Im5hbWUiOiJBZGEiffEYW7hHo6pnpX0znEJuyhx77bQ1y6nMv0c4ccTvg6Tn',
};

for (const mode of MODES) {
  const format = sealedBy(mode);

  test(`${mode}: what earlier versions have sealed opens`, (t) => {
    t.deepEqual(format.decode('user:1', Buffer.from(WRITTEN[mode], 'base64')), ENTRY);
  });

  test(`Property: ${mode}: an entry decodes to what was encoded`, (t) => {
    const payloads = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.nat(255), payloads, fc.boolean(), fc.string(), (codec, payload, isRefreshable, key) => {
        const entry = { ...(isRefreshable ? REFRESHABLE_ENTRY : ENTRY), codec, payload };
        const record = format.encode(key, entry);
        t.deepEqual(format.decode(key, record), entry);
        t.deepEqual(format.decode(key, Uint8Array.from([7, ...record, 7]).subarray(1, -1)), entry);
        t.is(tokenOf(record), entry.token);
        t.is(decodeEntry(key, record)?.codec, mode === 'encrypt' ? 7 : 8);
      }),
      { numRuns: 50 },
    );
  });

  for (const [name, entry] of Object.entries({
    plain: ENTRY,
    refreshable: REFRESHABLE_ENTRY,
    idle: IDLE_ENTRY,
  })) {
    test(`${mode}: every changed bit of a ${name} record that no script changes is refused`, (t) => {
      const record = format.encode('user:1', entry);
      const unsealed: string[] = [];
      for (let i = 0; i < record.length; i++) {
        for (let bit = 1; bit < 256; bit <<= 1) {
          const changed = Buffer.from(record);
          changed[i]! ^= bit;
          if (format.decode('user:1', changed) !== undefined) unsealed.push(`${i}:${bit}`);
        }
      }
      const inPlace = [`2:${HAS_WAITERS}`];
      for (let i = RETRY_AT; i < REFRESHABLE_HEAD && name !== 'plain'; i++) {
        for (let bit = 1; bit < 256; bit <<= 1) inPlace.push(`${i}:${bit}`);
      }
      t.deepEqual(unsealed, inPlace);
    });

    test(`${mode}: a ${name} record that was cut or extended is refused`, (t) => {
      const record = format.encode('user:1', entry);
      for (let length = 0; length < record.length; length++) {
        t.is(format.decode('user:1', record.subarray(0, length)), undefined);
      }
      t.is(format.decode('user:1', Buffer.concat([record, Buffer.of(0)])), undefined);
    });
  }

  test(`${mode}: a record of another key, namespace, mode or secret is refused`, (t) => {
    const record = format.encode('user:1', ENTRY);
    t.is(format.decode('user:2', record), undefined);
    t.is(sealedBy(mode, [KEYS[0]!], 'shop2').decode('user:1', record), undefined);
    t.is(sealedBy(mode, [KEYS[1]!]).decode('user:1', record), undefined);
    for (const other of MODES.filter((one) => one !== mode)) {
      t.is(sealedBy(other).decode('user:1', record), undefined);
    }
  });

  test(`${mode}: a record whose key was rewritten to another one is refused`, (t) => {
    const { payload } = decodeEntry('user:1', format.encode('user:1', ENTRY))!;
    const codec = mode === 'encrypt' ? 7 : 8;
    const forged = encodeEntry('user:2', { ...ENTRY, codec, payload });
    t.is(format.decode('user:2', forged), undefined);
    t.truthy(format.decode('user:1', encodeEntry('user:1', { ...ENTRY, codec, payload })));
  });

  test(`${mode}: the sealed part of one record is refused under another tag, nonce, token or end`, (t) => {
    const { payload } = decodeEntry('user:1', format.encode('user:1', ENTRY))!;
    const codec = mode === 'encrypt' ? 7 : 8;
    const forgeries: readonly Partial<Entry>[] = [
      { tags: [] },
      { tags: [{ tag: 'admins', nonce: 'nonce-of-users-1' }] },
      { tags: [{ tag: 'users', nonce: 'nonce-of-users-2' }] },
      { clearNonce: 'clear-nonce-0002' },
      { token: 'AbCdEf-_01234568' },
      { freshUntil: ENTRY.freshUntil + 1 },
      { loadStart: ENTRY.loadStart + 1 },
      { refreshable: REFRESHABLE_ENTRY.refreshable },
    ];
    for (const forgery of forgeries) {
      t.is(
        format.decode('user:1', encodeEntry('user:1', { ...ENTRY, ...forgery, codec, payload })),
        undefined,
      );
    }
  });

  test(`${mode}: a record without a seal is refused, and a reader without keys decodes no sealed one`, (t) => {
    t.is(format.decode('user:1', plainEntries.encode('user:1', ENTRY)), undefined);
    const read = plainEntries.decode('user:1', format.encode('user:1', ENTRY))!;
    t.true(read.codec > 6);
  });

  test(`${mode}: the first key seals, and every key opens`, (t) => {
    const [first, second] = [KEYS[0]!, KEYS[1]!];
    const both = sealedBy(mode, [first, second]);
    t.deepEqual(sealedBy(mode, [first]).decode('k', both.encode('k', ENTRY)), ENTRY);
    t.is(sealedBy(mode, [second]).decode('k', both.encode('k', ENTRY)), undefined);
    t.deepEqual(both.decode('k', sealedBy(mode, [second]).encode('k', ENTRY)), ENTRY);
  });
}

test('encrypt: the record has no part of the value, and equal values have different records', (t) => {
  const format = sealedBy('encrypt');
  const payload = Buffer.from('the same secret '.repeat(4));
  const [one, two] = [1, 2].map(() => format.encode('user:1', { ...ENTRY, payload }));
  t.false(one!.includes('secret'));
  t.notDeepEqual(one, two);
});

test('sign: the record has the value as it is', (t) => {
  t.true(sealedBy('sign').encode('user:1', ENTRY).includes(ENTRY.payload));
});
