/**
 * What does a hit in the memory of the process cost? 1,000 keys in turn, one caller that awaits each call, beside a
 * `Map` with a ttl (lru-cache) in front of the method, written by hand.
 */
import { fileOf, namesOf } from './libraries/all.js';
import { inTurns } from './support/in-turns.js';
import { startMember, startMembers } from './support/members.js';
import { bars } from './support/plots.js';
import { readCommandsOf } from './support/read-commands.js';
import { median, quartiles } from './support/statistics.js';
import { table } from './support/table.js';

const REFERENCE = 'lru-by-hand';
/** Its hits are in memory too, and Redis confirms each of them. */
const ASKS_REDIS = 'cachement-validate';
const LIBRARIES = [
  REFERENCE,
  'cachement-decorated',
  'cachement-tagged',
  'cachement-fixed-tags',
  'cachement-observed',
  'cachement-imperative',
  ASKS_REDIS,
  'layered-loader',
  'bentocache',
  'cacheable',
  'cache-manager-memory',
  'async-cache-dedupe-memory',
  'node-redis',
];
const KEYS = 1_000;
/** Above this multiple of the reference, a row has no bar in the first panel: the others would be invisible. */
const CLOSE = 4;

export const title = 'Hits in memory, against lru-cache by hand';
const explanation = `Time of one hit, awaited by one caller, over ${KEYS.toLocaleString('en')} keys in turn. Each library runs in a process of its own, with
memory in front of Redis as its documentation sets that up; the processes take turns in short slices, and each figure is the
median over the rounds. The reference is \`get\` of lru-cache with a ttl in an async method: it is not coherent with anything.
Before and after, the same reads are made without a command to Redis, which shows that all of them are hits in memory; a second
process of each cachement also counts its events. The hits of "l1 that asks Redis" are in memory, too, and Redis confirms each.`;

export async function ask({ redis, quick, say }) {
  const rounds = quick ? 7 : 41;
  const reads = quick ? 20_000 : 50_000;
  say(`starting ${LIBRARIES.length} processes`);
  const members = await startMembers(import.meta.url, LIBRARIES);
  const all = (verb, argument) =>
    Promise.all(LIBRARIES.map((library) => members.get(library).call(verb, argument?.(library))));
  await all('open', (library) => ({ url: redis.url, library }));
  say('checking that every read is a hit in memory');
  const verify = async () => {
    for (const library of LIBRARIES) await onlyHitsInMemory(redis.client, library, members.get(library));
  };
  await verify();
  for (const library of LIBRARIES.filter(isOurs)) await hitsByEvents(redis.url, library);
  const readsOf = (library) => (library === ASKS_REDIS ? reads / 50 : reads);
  for (const library of LIBRARIES) await members.get(library).call('read', { reads: 5 * readsOf(library) });
  const slices = await inTurns(LIBRARIES, rounds, (library, round) => {
    say(`round ${round + 1} of ${rounds}`);
    return members.get(library).call('slice', { reads: readsOf(library) });
  });
  await verify();
  const data = LIBRARIES.map((library) => {
    const ratios = slices.get(library).map((ns, i) => ns / slices.get(REFERENCE)[i]);
    return { library, ns: median(slices.get(library)), ratio: median(ratios), quartiles: quartiles(ratios) };
  });
  const names = await namesOf(LIBRARIES);
  await Promise.all([...members.values()].map(({ stop }) => stop()));
  return { ...(await present(data, names)), data, explanation, libraries: LIBRARIES };
}

/** Reads again if some reads were no hits: on a busy machine a heartbeat may be late. */
async function onlyHitsInMemory(client, library, { call }) {
  let loads;
  let commands;
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const before = await readCommandsOf(client);
    loads = await call('read', { reads: 2 * KEYS });
    commands = (await readCommandsOf(client)) - before;
    // Some libraries send heartbeats.
    if (loads === 0 && (commands < KEYS / 10 || library === ASKS_REDIS)) return;
  }
  throw new Error(`${library}: ${2 * KEYS} reads made ${loads} loads and ${commands} commands to Redis.`);
}

function isOurs(library) {
  return library.startsWith('cachement');
}

/** The events of our hits, in a process that is not measured: a subscriber would change the code that is. */
async function hitsByEvents(url, library) {
  const { call, stop } = await startMember(import.meta.url, fileOf(library));
  await call('open', { url, library });
  const reads = 2 * KEYS;
  let tiers = { l1: 0, l2: 0 };
  for (let attempt = 1; attempt <= 5 && tiers.l1 !== reads; attempt += 1) {
    tiers = await call('countHits', { reads });
  }
  await stop();
  if (tiers.l1 === reads && tiers.l2 === 0) return;
  throw new Error(`${library}: ${reads} reads were ${tiers.l1} hits in memory, and ${tiers.l2} in Redis.`);
}

/** What one of the processes does. */
export function member({ open }) {
  const keys = Array.from({ length: KEYS }, (_, i) => String(i));
  let read;
  let loads = 0;
  const load = async () => {
    loads += 1;
    return {
      id: '42',
      name: 'Ada Lovelace',
      email: 'ada@example.org',
      organisation: 'analytical-engines',
      roles: ['admin', 'author'],
      active: true,
      score: 0.8125,
      createdAt: '2026-01-31T08:15:30.000Z',
    };
  };
  const readInTurn = async (reads) => {
    for (let i = 0; i < reads; i += 1) await read(keys[i % KEYS], load);
  };
  return {
    open: async ({ url, library }) => {
      const cache = await open({ url, prefix: `memory-${library}`, ttlSeconds: 3_600, near: true });
      read = cache.read;
      await readInTurn(KEYS);
      // Some libraries need some time until they keep what they read.
      for (let i = 0; i < 5; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        await readInTurn(KEYS);
      }
      read = cache.hit ?? cache.read;
    },
    read: async ({ reads }) => {
      loads = 0;
      await readInTurn(reads);
      return loads;
    },
    countHits: async ({ reads }) => {
      const { subscribe } = await import('../dist/index.js');
      const tiers = { l1: 0, l2: 0 };
      const stop = subscribe('hit', ({ tier }) => (tiers[tier] += 1));
      await readInTurn(reads);
      stop();
      return tiers;
    },
    slice: async ({ reads }) => {
      const begun = performance.now();
      await readInTurn(reads);
      return ((performance.now() - begun) / reads) * 1e6;
    },
  };
}

async function present(data, names) {
  const rows = data.map(({ library, ns, ratio }) => [
    names.get(library),
    `${ns.toFixed(0)} ns`,
    `${ratio.toFixed(2)}x`,
  ]);
  const bar = ({ library, ratio }) => ({
    label: names.get(library),
    value: ratio,
    text: `${ratio.toFixed(2)}x`,
    ours: isOurs(library),
  });
  return {
    table: table(['one hit in memory', 'time', 'of the reference'], rows),
    picture: await bars(title, [
      {
        title: `One caller, ${KEYS.toLocaleString('en')} keys in turn: up to ${CLOSE}x`,
        unit: 'time of a hit, as a multiple of lru-cache by hand; less is better',
        mark: 1,
        bars: data.filter(({ ratio }) => ratio <= CLOSE).map(bar),
      },
      {
        title: 'All that ask nobody, on another scale',
        unit: 'time of a hit, as a multiple of lru-cache by hand',
        bars: data.filter(({ library }) => library !== ASKS_REDIS).map(bar),
      },
    ]),
  };
}
