import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { decodeEntry, encodeLease, tokenOf, WIRE_VERSION } from '../../src/core/ports/entry-format.js';
import { decodeValue } from '../../src/core/values/value-codec.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { LATER } from '../support/later.js';
import { sameValue } from '../support/same-value.js';
import { GOLDEN_DECODERS, GOLDEN_ENTRIES, GOLDEN_LEASE, goldenRecords } from './golden-records.js';
import { goldenFolder, goldenFolderOf, makeGolden } from './make-golden.js';

function read(name: string): Buffer {
  return readFileSync(path.join(goldenFolder, `${name}.bin`));
}

test('every golden file has its record, and every record its file', (t) => {
  const files = readdirSync(goldenFolder).map((file) => path.basename(file, '.bin'));
  t.deepEqual(files.toSorted(), [...goldenRecords().keys()].toSorted());
});

for (const { name, key, header, codec, value } of GOLDEN_ENTRIES) {
  test(`${name}: a record of wire version ${WIRE_VERSION} decodes to the stored value`, (t) => {
    const entry = decodeEntry(key, read(name));
    if (!entry) return t.fail('The record is not decoded.');
    const { payload, ...rest } = entry;
    t.deepEqual(rest, { ...header, codec });
    const decoded = decodeValue(entry.codec, payload, Infinity, GOLDEN_DECODERS);
    t.truthy(decoded);
    t.true(sameValue(value, decoded?.value));
    return undefined;
  });
}

for (const [name, record] of goldenRecords()) {
  test(`${name}: is encoded the same as before`, (t) => {
    t.deepEqual(record, read(name));
  });
}

test(`a lease of wire version ${WIRE_VERSION} decodes as a lease`, (t) => {
  const record = read(GOLDEN_LEASE.name);
  t.is(tokenOf(record), GOLDEN_LEASE.token);
  t.is(decodeEntry('', record), undefined);
  t.deepEqual(encodeLease(GOLDEN_LEASE.token), record);
});

for (let version = 1; version < WIRE_VERSION; version++) {
  const folder = goldenFolderOf(version);
  for (const file of readdirSync(folder)) {
    test(`${file}: a record of wire version ${version} is a miss, and a lease replaces it`, async (t) => {
      const record = readFileSync(path.join(folder, file));
      for (const { key } of GOLDEN_ENTRIES) t.is(decodeEntry(key, record), undefined);
      t.is(tokenOf(record), undefined);
      const clock = fakeClock();
      const host = { namespace: 'golden', clock, wake() {}, degraded() {}, recovered() {} };
      const { entries } = memory().open(host);
      await entries.lease('k', 'first-0123456789', 1_000, undefined);
      t.is(await entries.fill('k', 'first-0123456789', record, LATER), 'stored');
      t.is((await entries.lease('k', 'second-012345678', 1_000, undefined)).status, 'granted');
    });
  }
}

test('the generator writes missing files and never rewrites one', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'golden-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, 'lease.bin'), 'kept');
  t.deepEqual(
    makeGolden(folder),
    GOLDEN_ENTRIES.map(({ name }) => name),
  );
  t.is(readFileSync(path.join(folder, 'lease.bin'), 'utf8'), 'kept');
  t.deepEqual(makeGolden(folder), []);
});
