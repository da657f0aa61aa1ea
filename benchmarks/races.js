/**
 * A row changes while it is being loaded. Does a read that starts afterwards return the new one?
 *
 *   T1 misses, starts its load, and has read the OLD row.
 *   T2 changes the row to NEW, invalidates, and waits for the acknowledgement.
 *   T1's load ends, and the library stores its value or does not.
 *   T3 reads. If it gets OLD, so do all readers until the ttl ends.
 */
import { fileOf, namesOf } from './libraries/all.js';
import { startMember } from './support/members.js';
import { cells } from './support/plots.js';
import { table } from './support/table.js';

const LIBRARIES = [
  'bentocache',
  'cacheable',
  'cache-manager',
  'async-cache-dedupe',
  'cachified',
  'layered-loader',
  'type-cacheable',
  'cachement-imperative',
  'cachement-decorated',
  'cachement-tracking',
  'cachement-validate',
];
const WAYS = ['key', 'tag', 'clear'];
const PROCESSES = [1, 2];
const TTL_SECONDS = 60;
/** How many libraries run at a time: each has keys and processes of its own, and no result depends on speed. */
const LANES = 4;
/** Long enough for every message between processes, and for writes that the library does not wait for. */
const SETTLE_MS = 60;
/** How long the load goes on after the invalidation was acknowledged. */
const REST_OF_LOAD_MS = 25;
/** After this time the load goes on: the invalidation waits for it. */
const PATIENCE_MS = 2_000;

export const title = 'A row changes while it is being loaded';
const explanation = `**stale**: a read that started after the acknowledged invalidation, and after the end of the load, returned the old
row; in brackets how long Redis would still return it (of a ttl of ${TTL_SECONDS} s). **fresh**: it returned the new one, from the cache or by
loading it. **-**: the library has no such invalidation. Each library is set up on Redis as its documentation shows, with
memory in front of it where it offers that (and its bus, where it has one). In two processes, one loads and the other changes
the row and invalidates. Each of them reads: *the one* that has invalidated, and *the other*, which has loaded, ${SETTLE_MS} ms later.
Before
each race the same steps run one after the other, without overlap. The race counts only if the entry is cached then, and
the process that invalidated no longer reads it.`;

export async function ask({ redis, say }) {
  const found = new Map();
  const waiting = [...LIBRARIES];
  const lane = async () => {
    for (let library = waiting.shift(); library !== undefined; library = waiting.shift()) {
      say(`${library}, in one process and in two`);
      found.set(library, await racesOf(redis, library));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const data = LIBRARIES.flatMap((library) => found.get(library));
  return { ...(await present(data, await namesOf(LIBRARIES))), data, explanation, libraries: LIBRARIES };
}

/** All races of one library, one after the other. */
async function racesOf(redis, library) {
  const scene = new Scene();
  const members = await Promise.all(
    PROCESSES.map(() => startMember(import.meta.url, fileOf(library), { handlers: scene.handlers })),
  );
  const results = [];
  for (const processes of PROCESSES) {
    for (const way of WAYS) {
      scene.name = `race-${library}-${way}-${processes}`;
      results.push({ library, way, processes, ...(await race({ redis, scene, way, processes, members })) });
    }
  }
  await Promise.all(members.map(({ stop }) => stop()));
  return results;
}

/** What one of the processes does. The parent has the row, and decides when a load ends. */
export function member({ open }, parent) {
  let cache;
  return {
    open: async (setup) => {
      await cache?.close();
      cache = await open(setup);
      return Object.keys(cache.invalidate);
    },
    read: (key) => cache.read(key, () => parent('load', key)),
    invalidate: async ({ way, key }) => {
      await cache.invalidate[way](key, () => parent('update'));
    },
  };
}

/** The row, and a gate that holds loads back. */
class Scene {
  /** The name of the present race. It is part of the row, so that the row can be found in Redis. */
  name = '';
  row = this.#row('OLD', 0);
  loads = 0;
  #change = 0;
  #gate;
  #begun;

  handlers = {
    load: async () => {
      this.loads += 1;
      const { row } = this;
      this.#begun?.();
      await this.#gate;
      return row;
    },
    update: () => {
      this.#change += 1;
      this.row = this.#row('NEW', this.#change);
    },
  };

  #row(text, change) {
    return { text, change, what: `the row of ${this.name}` };
  }

  /** From now on the row counts as old. */
  rest() {
    this.row = this.#row('OLD', this.#change);
  }

  /** From now on loads wait. Resolves `begun` when one has read the row. */
  hold() {
    let release;
    this.#gate = new Promise((resolve) => (release = resolve));
    const begun = new Promise((resolve) => (this.#begun = resolve));
    return {
      begun,
      release: () => {
        release();
        this.#gate = undefined;
        this.#begun = undefined;
      },
    };
  }
}

async function race({ redis, scene, way, processes, members }) {
  const setup = {
    url: redis.url,
    prefix: scene.name,
    ttlSeconds: TTL_SECONDS,
    near: true,
    tag: way === 'tag' ? 'group' : undefined,
  };
  const [loader] = members;
  const other = members[processes - 1];
  const ways = await loader.call('open', setup);
  if (other !== loader) await other.call('open', setup);
  if (!ways.includes(way)) return { verdict: 'none' };

  const control = await withoutOverlap(scene, loader, other, way);
  if (control !== undefined) return { verdict: 'invalid', why: control };

  scene.rest();
  const key = 'raced';
  const held = scene.hold();
  const first = loader.call('read', key);
  await held.begun;
  const invalidation = other.call('invalidate', { way, key }).then(() => 'acknowledged');
  const outcome = await Promise.race([invalidation, pause(PATIENCE_MS)]);
  // Libraries that compare clocks need a later millisecond.
  await pause(REST_OF_LOAD_MS);
  held.release();
  const waited = outcome !== 'acknowledged';
  await invalidation;
  const returned = await first;
  // The verdict is about what stays stale, so the row is read at once and once more later.
  const atOnce = await readBoth(scene, loader, other, key);
  await pause(SETTLE_MS);
  const later = await readBoth(scene, loader, other, key);
  const verdictOf = ({ text }) => (text === 'NEW' ? 'fresh' : 'stale');
  const verdict = verdictOf(later.invalidator);
  const otherVerdict = verdictOf(later.loader);
  return {
    verdict,
    otherVerdict,
    ttlLeftMs:
      verdict === 'stale' || otherVerdict === 'stale'
        ? await oldestLeft(redis.client, scene.name)
        : undefined,
    invalidationWaitedForTheLoad: waited,
    firstReturned: returned.text,
    atOnce,
    later,
  };
}

/** The same steps without a race. Returns what went wrong, or undefined. */
async function withoutOverlap(scene, loader, other, way) {
  const key = 'control';
  scene.rest();
  await loader.call('read', key);
  const before = scene.loads;
  await loader.call('read', key);
  if (scene.loads !== before) return 'the entry was not cached';
  await other.call('invalidate', { way, key });
  await pause(SETTLE_MS);
  const row = await other.call('read', key);
  if (row.text !== 'NEW') return 'the entry was still there after an invalidation that met no load';
  return undefined;
}

async function readBoth(scene, loader, other, key) {
  const before = scene.loads;
  const invalidator = await other.call('read', key);
  const from = scene.loads === before ? 'the cache' : 'the source';
  const loaderRow = other === loader ? invalidator : await loader.call('read', key);
  return { invalidator: { text: invalidator.text, from }, loader: { text: loaderRow.text } };
}

/** How long Redis keeps the old row: the longest ttl left among the keys that contain it; undefined if none does. */
async function oldestLeft(client, name) {
  let longest;
  for (const key of await client.keys('*')) {
    const content = (await client.type(key)) === 'string' ? await client.get(key) : null;
    if (content === null || !content.includes(`the row of ${name}`) || !content.includes('OLD')) continue;
    longest = Math.max(longest ?? 0, await client.pttl(key));
  }
  return longest;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Who reads after the race. */
const READERS = [
  { processes: 1, reader: 'verdict', whose: 'one process' },
  { processes: 2, reader: 'verdict', whose: 'the one of two' },
  { processes: 2, reader: 'otherVerdict', whose: 'the other one' },
];

async function present(data, names) {
  const columns = READERS.flatMap((one) => WAYS.map((way) => ({ ...one, way })));
  const nameOf = ({ whose, way }) => `${way === 'clear' ? 'clear' : `by ${way}`}, ${whose}`;
  const shown = ({ verdict, ttlLeftMs, ...one }, { reader }) => {
    if (verdict === 'none') return '-';
    if (verdict === 'invalid') return verdict;
    if ((reader === 'verdict' ? verdict : one[reader]) === 'fresh') return 'fresh';
    return ttlLeftMs === undefined ? 'stale (in memory)' : `stale (${(ttlLeftMs / 1_000).toFixed(0)} s left)`;
  };
  const lines = [...names].map(([library, label]) => ({
    label,
    cells: columns.map((column) =>
      shown(
        data.find(
          (one) => one.library === library && one.processes === column.processes && one.way === column.way,
        ),
        column,
      ),
    ),
  }));
  const isOf = (text) => (text.startsWith('stale') ? 'bad' : text === 'fresh' ? 'good' : 'none');
  const notes = data
    .filter(({ verdict }) => verdict === 'invalid')
    .map(({ library, way, processes, why }) => `invalid: ${library}, by ${way}, ${processes}: ${why}`);
  const wrong = data
    .filter(({ library }) => library.startsWith('cachement'))
    .filter(({ verdict, otherVerdict }) => verdict !== 'fresh' || otherVerdict !== 'fresh')
    .map(({ library, way, processes }) => `${library}, by ${way}, in ${processes}`);
  return {
    table: table(
      ['', ...columns.map(nameOf)],
      lines.map(({ label, cells: line }) => [label, ...line]),
    ),
    picture: await cells(
      title,
      columns.map(nameOf),
      lines.map(({ label, cells: line }) => ({
        label,
        cells: line.map((text) => ({ text, is: isOf(text) })),
      })),
      130,
    ),
    ...(notes.length > 0 ? { notes: notes.join('\n') } : {}),
    ...(wrong.length > 0 ? { failure: `cachement is not fresh: ${wrong.join('; ')}.` } : {}),
  };
}
