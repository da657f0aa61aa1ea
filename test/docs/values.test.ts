import { readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import test from 'ava';
import { msgpackr } from '../../src/adapters/msgpackr/index.js';
import type { PayloadCodec } from '../../src/core/values/payload-codec.js';
import { encodeValue } from '../../src/core/values/value-codec.js';
import { projectFolder } from '../support/project-folder.js';
import { rig } from '../support/rig.js';
import { sameValue } from '../support/same-value.js';
import { LIMITS } from '../values/codec-rig.js';

const page = readFileSync(path.join(projectFolder, 'docs/values.md'), 'utf8');
const ROW = /^\| `(.+?)`(?:, [^|]*)? \| (.+?) \| (.+?) \| (equal|refused) \|$/gm;
const FORMATS: Readonly<Record<number, string>> = {
  1: 'JSON',
  2: 'extended JSON',
  3: 'bytes',
  4: 'bytes',
  6: 'MessagePack',
};

const rows = [...page.matchAll(ROW)].map(([, code = '', standard = '', packed = '', returned = '']) => ({
  code,
  formats: { standard, packed },
  returned,
}));

test('every row of the table is tested', (t) => {
  const table = page.slice(page.indexOf('| --- |'), page.indexOf('JSON is stored as text'));
  t.is(rows.length, table.trim().split('\n').length - 1);
});

function formatOf(value: unknown, codec: PayloadCodec | undefined): string {
  return FORMATS[encodeValue(value, LIMITS, { codec, types: undefined }).codec]!;
}

for (const { code, formats, returned } of rows) {
  for (const [name, codec] of Object.entries({ standard: undefined, packed: msgpackr() })) {
    test(`${code} is ${returned} (${name})`, async (t) => {
      const value: unknown = vm.runInThisContext(`(${code})`);
      const { openers, of } = rig(t, 2, { l1: true, defaults: { ttl: '1m', codec } });
      // In a list, because an async function that returns a promise returns the value of it.
      const call = (i: number) => openers[i]!.cache.getOrSet('key', () => [value]);
      if (returned === 'refused') {
        t.is(formats[name as keyof typeof formats], 'nothing');
        await t.throwsAsync(call(0), { name: 'ValueError' });
        return;
      }
      t.is(formatOf(value, codec), formats[name as keyof typeof formats]);
      for (const i of [0, 0, 1, 1]) t.true(sameValue([value], await call(i)));
      t.deepEqual(
        of('hit').map(({ tier }) => tier),
        ['l1', 'l2', 'l1'],
      );
    });
  }
}
