/**
 * npm run demo: shows cachement on real data, without a network. With REDIS_URL set, it uses that Redis and four
 * processes. The service is in cities.ts; this file runs it.
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
/** From sending the start time to the start, so that every process receives it in time. */
const LEAD_MS = 50;

const redisUrl = process.env['REDIS_URL'] === '' ? undefined : process.env['REDIS_URL'];
const database = new CityTable();
const fleet = await startFleet(redisUrl, database).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
const [first, second, third] = fleet.instances as [Instance, Instance, Instance];
say(`A database of ${count(database.size)} cities, which takes ${QUERY_MS} ms for a query.`);
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
  say(`\n1. Stampede: ${count(CALLERS)} callers read Tokyo at the same time. It is not in the cache`);
  const rows: string[][] = [];
  for (const kind of KINDS) {
    // The code is warm, as in a service that has been running for a while. The entry is cold.
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
  say('2. Race: Baghdad is changed while a query for it runs');
  const answers = new Map<Kind, readonly City[]>();
  const before = await database.find(CITY);
  const grown = { ...before, population: before.population + 1_000_000 };
  for (const kind of KINDS) {
    say(`   ${NAMES[kind]}`);
    await second.save({ kind, city: before });
    const query = first.find({ kind, id: CITY });
    await sleep(QUERY_MS / 4);
    say(`     instance 1 misses, and its query reads ${count(before.population)}`);
    await second.save({ kind, city: grown });
    say(`     instance 2 saves ${count(grown.population)} and invalidates the entry`);
    const late = await query;
    say(`     the query of instance 1 ends, and its cache stores the result or refuses it`);
    const next = await third.find({ kind, id: CITY });
    say(`     instance 3 reads ${count(next.population)}: ${isOld(next, grown)}`);
    answers.set(kind, [late, next]);
  }
  printTable(
    ['', 'in the database', 'read before', 'read afterwards'],
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
  say(`3. Hits: ${count(READS)} reads of the ${CITIES} largest cities, one after the other`);
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
  say(`4. Entries: the cache has ${count(entries.size)}. Some of them`);
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
  say(`5. Rate limit: a guest asks ${QUESTIONS} questions at the same time. The limit is five a minute`);
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
  say(`6. Lock: ${PEOPLE} people move to Bergen at the same time. Each adds one to its population`);
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
