/**
 * npm run demo: the main job on real data, without a network. With REDIS_URL set: on that Redis, with four processes.
 * The service is in cities.ts; here is what happens to it.
 */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { CityTable, QUERY_MS, type City } from './city-database.js';
import { startFleet } from './fleet.js';
import { percentiles, wallClock, type Instance, type Kind, type Percentiles } from './instance.js';
import { count, milliseconds, printTable, say } from './print.js';

const KINDS: readonly Kind[] = ['naive', 'cached'];
const NAMES = { naive: 'by hand: get, load, set', cached: '@Cached' };
const GUEST = { naive: 'by hand: get, compare, set', cached: '@RateLimited' };
const MOVE = { naive: 'by hand: read, add one, write', cached: '@Locked' };
const QUESTIONS = 100;
const PEOPLE = 8;
const CALLERS = 1_000;
const CITY = 'iq-baghdad';
const READS = 5_000;
const CITIES = 300;
/** From the order to the start, so that every process has it in time. */
const LEAD_MS = 50;

const redisUrl = process.env['REDIS_URL'] === '' ? undefined : process.env['REDIS_URL'];
const database = new CityTable();
const fleet = await startFleet(redisUrl, database).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
const [first, second, third] = fleet.instances as [Instance, Instance, Instance];
say(`${count(database.size)} cities, in a database that takes ${QUERY_MS} ms for a query.`);
say(`${fleet.instances.length} instances of one service, ${fleet.where}.`);
try {
  await showStampede();
  await showRace();
  await showHits();
  await showEntries();
  await showRateLimit();
  await showLock();
} finally {
  await fleet.stop();
}

async function showStampede(): Promise<void> {
  say(`\n1. ${count(CALLERS)} callers want Tokyo, at one moment, and nobody has asked for it before`);
  const rows: string[][] = [];
  for (const kind of KINDS) {
    // As in a service that has been running for a while, the code is warm. The city is not.
    for (const id of ['fr-paris', 'de-berlin']) await sendCrowd(kind, id);
    const { queries, slowest } = await sendCrowd(kind, 'jp-tokyo');
    rows.push([NAMES[kind], count(queries), count(CALLERS - queries), milliseconds(slowest)]);
  }
  printTable(['', 'queries', 'prevented', 'slowest caller'], rows);
}

async function sendCrowd(kind: Kind, id: string): Promise<{ queries: number; slowest: number }> {
  const before = database.queries;
  const at = wallClock() + LEAD_MS;
  const callers = CALLERS / fleet.instances.length;
  const ends = await Promise.all(
    fleet.instances.map((instance) => instance.crowd({ kind, id, callers, at })),
  );
  return { queries: database.queries - before, slowest: Math.max(...ends) - at };
}

async function showRace(): Promise<void> {
  say('2. Baghdad grows while a query for it is under way');
  const answers = new Map<Kind, readonly City[]>();
  const before = await database.find(CITY);
  const grown = { ...before, population: before.population + 1_000_000 };
  for (const kind of KINDS) {
    say(`   ${NAMES[kind]}`);
    await second.save({ kind, city: before });
    const query = first.find({ kind, id: CITY });
    await sleep(QUERY_MS / 4);
    say(`     instance 1 misses; its query has read ${count(before.population)} and is on its way back`);
    await second.save({ kind, city: grown });
    say(`     instance 2 has saved ${count(grown.population)}, and invalidated: done, as far as it can tell`);
    const late = await query;
    say(`     instance 1 has its answer; its cache stores it, or does not`);
    const next = await third.find({ kind, id: CITY });
    say(`     instance 3 asks, and gets ${count(next.population)}: ${isOld(next, grown)}`);
    answers.set(kind, [late, next]);
  }
  printTable(
    ['', 'in the database', 'who asked before', 'who asks afterwards'],
    KINDS.map((kind) => {
      const [late, next] = answers.get(kind) as [City, City];
      const afterwards = `${count(next.population)} (${isOld(next, grown)})`;
      return [NAMES[kind], count(grown.population), count(late.population), afterwards];
    }),
  );
}

function isOld(city: City, now: City): string {
  return city.population === now.population ? 'new' : 'old, for 10 minutes';
}

async function showHits(): Promise<void> {
  const ids = database.largest(CITIES);
  say(`3. ${count(READS)} reads of the ${CITIES} largest cities, one after the other`);
  say('   filling the cache');
  const begun = wallClock();
  const largest = await Promise.all(ids.map((id) => third.find({ kind: 'cached', id })));
  say(`   ${largest.length} loads, all at once, took ${milliseconds(wallClock() - begun)}`);
  const hits = await third.timeReads({ ids, times: READS });
  const queries = await timeQueries(ids.slice(0, 100));
  printTable(
    ['', 'p50', 'p99'],
    [
      ['the database', milliseconds(queries.p50), milliseconds(queries.p99)],
      ['@Cached, a hit', milliseconds(hits.p50), milliseconds(hits.p99)],
      [
        'times faster',
        ...[queries.p50 / hits.p50, queries.p99 / hits.p99].map((times) => count(Math.round(times))),
      ],
    ],
  );
}

async function timeQueries(ids: readonly string[]): Promise<Percentiles> {
  const durations = await Promise.all(
    ids.map(async (id) => {
      const begun = wallClock();
      await database.find(id);
      return wallClock() - begun;
    }),
  );
  return percentiles(durations);
}

async function showEntries(): Promise<void> {
  await Promise.all(['IQ', 'JP', 'NO'].map((country) => third.largestIn(country)));
  const listed = (await Promise.all(fleet.instances.map((instance) => instance.entries()))).flat();
  const entries = new Map(listed.map((entry) => [entry.key, entry]));
  const chosen = ['city:jp-tokyo', `city:${CITY}`, 'city:br-sao-paulo', 'largest-in:IQ', 'largest-in:NO'];
  say(`4. What is in the cache now: ${count(entries.size)} entries, some of them`);
  printTable(
    ['key', 'bytes', 'ttl left', 'tags'],
    chosen.flatMap((key) => {
      const entry = entries.get(key);
      if (entry === undefined) return [];
      return [[key, count(entry.bytes), `${(entry.ttlLeftMs / 1_000).toFixed(0)} s`, entry.tags.join(', ')]];
    }),
  );
}

async function showRateLimit(): Promise<void> {
  say(`5. A guest asks ${QUESTIONS} questions, at one moment. Five a minute are his`);
  const rows: string[][] = [];
  for (const kind of KINDS) {
    const ask = { kind, address: '192.0.2.1', id: CITY, count: QUESTIONS / fleet.instances.length };
    const at = wallClock() + LEAD_MS;
    const answered = await Promise.all(fleet.instances.map((instance) => instance.questions({ ...ask, at })));
    const sum = answered.reduce((all, one) => all + one, 0);
    rows.push([GUEST[kind], count(sum), count(QUESTIONS - sum)]);
  }
  printTable(['', 'answered', 'refused'], rows);
}

async function showLock(): Promise<void> {
  say(`6. ${PEOPLE} people move to Bergen, at one moment. Each is one more than were there before`);
  const id = 'no-bergen';
  const rows: string[][] = [];
  for (const kind of KINDS) {
    const before = (await database.find(id)).population;
    const at = wallClock() + LEAD_MS;
    const move = { kind, id, count: PEOPLE / fleet.instances.length, at };
    await Promise.all(fleet.instances.map((instance) => instance.moves(move)));
    const grown = (await database.find(id)).population - before;
    rows.push([MOVE[kind], count(PEOPLE), count(grown), count(PEOPLE - grown)]);
  }
  printTable(['', 'moved', 'registered', 'lost'], rows);
}
