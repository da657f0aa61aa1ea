import test from 'ava';
import { search, type Found } from './search.js';
import type { SetUp } from './set-up.js';
import { largeSetUps, setUps } from './set-ups.js';
import { openWorld } from './world.js';

/**
 * EXHAUSTIVE=large: more set-ups. Those of the default size have no eager steps then, so that all their orders are counted.
 * It takes some ten minutes.
 */
const IS_LARGE = process.env['EXHAUSTIVE'] === 'large';
const DAY = 86_400_000;

const rows: { readonly setUp: SetUp; readonly found: Found; readonly seconds: number }[] = [];

// Serial, because each search checks the activity of all engines of this process.
for (const setUp of IS_LARGE ? [...setUps, ...largeSetUps] : setUps) {
  test.serial(`G1 to G7, G11, G12: in every order the promises hold: ${setUp.title}`, async (t) => {
    if (IS_LARGE) t.timeout(DAY);
    const startedAt = performance.now();
    const counts = IS_LARGE && setUps.includes(setUp);
    const found = await search(() => openWorld(setUp, !counts), { counts });
    const seconds = (performance.now() - startedAt) / 1_000;
    rows.push({ setUp, found, seconds });
    const { violation } = found;
    const broken = violation === undefined ? [] : [`After ${found.runs} orders: ${violation.error.message}`];
    t.is(violation, undefined, [...broken, ...(violation?.steps ?? [])].join('\n'));
    t.true(found.isComplete);
    if (IS_LARGE) t.log(cellsOf(setUp, found, seconds).join(' | '));
  });
}

test.serial('what was searched', (t) => {
  const sum = (count: (found: Found) => number): number =>
    rows.reduce((total, { found }) => total + count(found), 0);
  const seconds = rows.reduce((total, row) => total + row.seconds, 0);
  t.log(`| set-up | orders | run | states | not taken | longest | violations | s |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${cellsOf(row.setUp, row.found, row.seconds).join(' | ')} |`).join('\n')}
| ${rows.length} set-ups | | ${sum(({ runs }) => runs)} | ${sum(({ states }) => states)} | ${sum(({ asleep }) => asleep)} | | ${sum(({ violation }) => (violation === undefined ? 0 : 1))} | ${seconds.toFixed(1)} |`);
  t.pass();
});

function cellsOf({ title }: SetUp, found: Found, seconds: number): string[] {
  const { orders, runs, states, asleep, longest, violation } = found;
  return [
    title,
    orders === undefined ? '' : orders.toLocaleString('en'),
    ...[runs, states, asleep, longest, violation === undefined ? 0 : 1].map((count) =>
      count.toLocaleString('en'),
    ),
    seconds.toFixed(1),
  ];
}
