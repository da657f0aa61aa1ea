import { Buffer } from 'node:buffer';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Cluster, Redis } from 'ioredis';
import { ioredis, invalidationScript } from '../../../../src/adapters/ioredis/index.js';
import { Caching, type CachingOptions } from '../../../../src/core/caching.js';
import { tagBucket, TAG_CHANGES_IDENTITY, TAG_CHANGE_BYTES } from '../../../../src/core/ports/tag-changes.js';
import { recordEvents } from '../../../../src/testing/record-events.js';
import { eventually } from '../../../support/eventually.js';
import { HeldLoad, Row } from '../../../support/held-load.js';
import { projectFolder } from '../../../support/project-folder.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../../../support/servers.js';

const run = promisify(execFile);
const PAGE = path.join(projectFolder, 'docs/other-writers.md');
const PAGE_SCRIPT = path.join(projectFolder, 'docs/invalidate.lua');
const PATIENT = { timeout: '20s', connectTimeout: '20s' } as const;

let server: RedisServer;
let cluster: RedisCluster;
let folder: string;
test.before('start Redis', async () => {
  // UPDATE_DOCS=1 npm test -- test/adapters/ioredis/entries/invalidation-script.test.ts writes docs/invalidate.lua.
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE_SCRIPT, invalidationScript);
  [server, cluster] = await Promise.all([startRedis({ local: true }), startCluster(3)]);
  folder = await mkdtemp(path.join(tmpdir(), 'cachement-writers-'));
  writeFileSync(path.join(folder, 'invalidate.lua'), invalidationScript);
  const [, python = ''] = /^```python\n(.*?)^```$/ms.exec(readFileSync(PAGE, 'utf8')) ?? [];
  writeFileSync(path.join(folder, 'invalidate.py'), python);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** Runs a program on the script of the page, as another service would. */
type Writer = (port: number, names: readonly string[], args: readonly string[]) => Promise<void>;

const WRITERS: Record<string, Writer> = {
  async 'redis-cli'(port, names, args) {
    const { stdout } = await run(
      'redis-cli',
      [...['-p', String(port), '-c', '--eval', 'invalidate.lua'], ...[...names, ',', ...args]],
      { cwd: folder },
    );
    if (stdout !== '1\n') throw new Error(`redis-cli printed ${stdout}`);
  },
  async python(port, names, args) {
    await run('python3', ['invalidate.py', String(port), ...names, ...args], { cwd: folder });
  },
};

async function isOnPath(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}

/** The names in Redis that the page gives for the key `key`, the tag `org` and everything. */
function namesOf(namespace: string, prefix = ''): Record<'key' | 'tag' | 'all', readonly string[]> {
  const changes = `${prefix}${namespace}:tag-changes:{${namespace}}`;
  return {
    key: [`${prefix}${namespace}:cache:key`],
    tag: [changes, `${prefix}${namespace}:tag:{${namespace}}:org`],
    all: [changes, `${prefix}${namespace}:clear:{${namespace}}`],
  };
}

const TAGS = { tags: ['org'] };
let opened = 0;

interface Opened {
  readonly caching: Caching;
  readonly namespace: string;
  /** Resolves when a read comes from the memory of the application. */
  inMemory(load: () => Promise<unknown>): Promise<void>;
}

async function open(
  t: ExecutionContext,
  coherence: 'bus' | 'tracking' | 'validate' | undefined,
  adapter: CachingOptions['adapter'] = ioredis(server.url, PATIENT),
): Promise<Opened> {
  const namespace = `writers-${process.pid}-${++opened}`;
  const caching = new Caching({
    adapter,
    namespace,
    defaults: { ttl: '1m', storeTimeout: '10s' },
    ...(coherence === undefined ? {} : { l1: { coherence, ttl: '1m' } }),
  });
  const { of, stop } = recordEvents(namespace);
  t.teardown(async () => {
    await caching.close();
    stop();
  });
  await caching.ready();
  return {
    caching,
    namespace,
    inMemory: async (load) => {
      await eventually('a value in memory', async () => {
        const before = of('hit').length;
        await caching.cache.getOrSet('key', load, TAGS);
        return of('hit')
          .slice(before)
          .some(({ tier }) => tier === 'l1');
      });
    },
  };
}

function connect(t: ExecutionContext, url = server.url): Redis {
  const redis = new Redis(url);
  t.teardown(() => redis.disconnect());
  return redis;
}

test('docs/invalidate.lua is the script that the package exports', (t) => {
  t.is(readFileSync(PAGE_SCRIPT, 'utf8'), invalidationScript);
  t.regex(invalidationScript, /^[\x20-\x7e\n]*$/);
});

for (const [writer, invalidate] of Object.entries(WRITERS)) {
  for (const coherence of ['bus', 'tracking', 'validate'] as const) {
    test(`${coherence}: what ${writer} invalidates by key, tag and all ends in Redis and in memory`, async (t) => {
      if (!(await isOnPath(writer === 'python' ? 'python3' : writer))) {
        t.log(`Not shown here: ${writer} is not on the PATH.`);
        t.pass();
        return;
      }
      const { caching, namespace, inMemory } = await open(t, coherence);
      for (const [by, names] of Object.entries(namesOf(namespace))) {
        const row = new Row();
        await inMemory(row.load);
        row.write();
        await invalidate(server.port, names, [namespace]);
        const read = (): Promise<number> => caching.cache.getOrSet('key', row.load, TAGS);
        // The other two learn of it by a message.
        if (coherence !== 'validate') await eventually(by, async () => (await read()) === 2);
        t.is(await read(), 2, by);
        await caching.cache.clear();
      }
    });
  }
}

for (const coherence of ['bus', 'tracking', 'validate'] as const) {
  test(`${coherence}: what redis-cli invalidates in a Cluster with a key prefix ends everywhere`, async (t) => {
    const client = new Cluster([...cluster.nodes], { keyPrefix: 'app:', lazyConnect: true });
    t.teardown(() => client.disconnect());
    const { caching, namespace, inMemory } = await open(t, coherence, ioredis(client, PATIENT));
    for (const [by, names] of Object.entries(namesOf(namespace, 'app:'))) {
      const row = new Row();
      await inMemory(row.load);
      row.write();
      // The node that is asked first says where the names are.
      await WRITERS['redis-cli']!(cluster.nodes[0]!.port, names, [namespace, 'app:']);
      await eventually(by, async () => (await caching.cache.getOrSet('key', row.load, TAGS)) === 2);
      await caching.cache.clear();
    }
    t.pass();
  });
}

const LOADS = {
  'a load in progress is not stored after the script: key': { by: 'key', options: TAGS },
  'a load in progress is not stored after the script: all': { by: 'all', options: TAGS },
  'a load in progress is not stored after the script: tag, tags of the call': { by: 'tag', options: TAGS },
  'a load in progress is not stored after the script: tag, tags from the result': {
    by: 'tag',
    options: { tags: () => ['org'] },
  },
} as const;

for (const [title, { by, options }] of Object.entries(LOADS)) {
  test(title, async (t) => {
    const { caching, namespace } = await open(t, undefined);
    const redis = connect(t);
    const row = new Row();
    // The first load of a tag creates what the script marks.
    await caching.cache.getOrSet('other', row.load, options);
    const load = new HeldLoad(row);
    const first = caching.cache.getOrSet('key', load.run, options);
    await load.entered;
    row.write();
    const names = namesOf(namespace)[by];
    t.is(await redis.eval(invalidationScript, names.length, ...names, namespace), 1);
    load.finish();
    await first;
    t.is(await caching.cache.getOrSet('key', row.load, options), 2);
  });
}

for (const by of ['key', 'tag'] as const) {
  test(`the script keeps the mark of a writer with safe: nothing is stored until the write ends (${by})`, async (t) => {
    const { caching, namespace } = await open(t, undefined);
    const redis = connect(t);
    const row = new Row();
    const isStored = async (): Promise<boolean> => {
      await caching.cache.getOrSet('key', row.load, TAGS);
      return caching.cache.has('key');
    };
    t.true(await isStored());
    const names = namesOf(namespace)[by];
    const target = by === 'key' ? { keys: ['key'] } : TAGS;
    await caching.cache.invalidateAround(
      target,
      async () => {
        t.false(await isStored());
        t.is(await redis.eval(invalidationScript, names.length, ...names, namespace), 1);
        t.false(await isStored());
        if (by === 'key') {
          // A plain DEL ends the mark.
          await redis.del(names[0]!);
          t.true(await isStored());
        }
      },
      { safe: '30s' },
    );
    t.true(await isStored());
  });
}

test('the script wakes those who wait for a load of another process', async (t) => {
  const { caching, namespace } = await open(t, undefined);
  const redis = connect(t);
  const subscriber = connect(t);
  const woken: string[] = [];
  subscriber.on('message', (channel: string) => woken.push(channel));
  const other = new Caching({
    adapter: ioredis(server.url, PATIENT),
    namespace,
    defaults: { ttl: '1m', storeTimeout: '10s' },
  });
  t.teardown(() => other.close());
  const row = new Row();
  const load = new HeldLoad(row);
  const first = caching.cache.getOrSet('key', load.run);
  await load.entered;
  const [key = ''] = namesOf(namespace).key;
  await subscriber.subscribe(`${namespace}:wake:${key}`);
  const waits = other.cache.getOrSet('key', row.load);
  await eventually('somebody waits', async () => ((await redis.getrangeBuffer(key, 2, 2))[0]! & 4) === 4);
  row.write();
  await redis.eval(invalidationScript, 1, key, namespace);
  t.is(await waits, 2);
  await eventually('the message', () => woken.includes(`${namespace}:wake:${key}`));
  load.finish();
  await first;
});

test('the script writes into the bucket of a tag that the library reads, for every name', async (t) => {
  const redis = connect(t);
  const changes = 'buckets:tag-changes:{buckets}';
  const record = Buffer.alloc(2_064, 7);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1 }), async (tag) => {
      await redis.set(changes, record);
      await redis.eval(invalidationScript, 2, changes, `buckets:tag:{buckets}:${tag}`, 'buckets');
      const after = (await redis.getBuffer(changes))!;
      const at = TAG_CHANGES_IDENTITY + tagBucket(tag) * TAG_CHANGE_BYTES;
      t.notDeepEqual(
        after.subarray(at, at + TAG_CHANGE_BYTES),
        record.subarray(at, at + TAG_CHANGE_BYTES),
        tag,
      );
      record.copy(after, at, at, at + TAG_CHANGE_BYTES);
      t.true(after.equals(record), tag);
    }),
    { numRuns: 200, examples: [['ä'], ['€'], ['😀'], ['org:7'], ['a'.repeat(200)]] },
  );
});

test('every call of the script changes the bucket again', async (t) => {
  const redis = connect(t);
  const names = ['again:tag-changes:{again}', 'again:tag:{again}:org'];
  await redis.set(names[0]!, Buffer.alloc(2_064));
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) {
    seen.add((await redis.getBuffer(names[0]!))!.toString('hex'));
    await redis.eval(invalidationScript, 2, ...names, 'again');
  }
  t.is(seen.size, 20);
});

for (const { mistake, names, args, expected } of [
  {
    mistake: 'no namespace',
    names: ['shop:cache:key'],
    args: [],
    expected: 'expected the namespace as ARGV[1], and got none',
  },
  {
    mistake: 'no names',
    names: [],
    args: ['shop'],
    expected: 'expected shop:cache:<key> or shop:tag-changes:{shop} as KEYS[1], and got none',
  },
  {
    mistake: 'another namespace',
    names: ['shop:cache:key'],
    args: ['op'],
    expected: 'expected op:cache:<key> or op:tag-changes:{op} as KEYS[1], and got shop:cache:key',
  },
  {
    mistake: 'a logical key',
    names: ['shop:cache:key', 'user:42'],
    args: ['shop'],
    expected: 'expected shop:cache:<key> as KEYS[2], and got user:42',
  },
  {
    mistake: 'a tag without the record of tag changes',
    names: ['shop:tag:{shop}:org'],
    args: ['shop'],
    expected: 'expected shop:cache:<key> or shop:tag-changes:{shop} as KEYS[1], and got shop:tag:{shop}:org',
  },
  {
    mistake: 'the record of tag changes without a tag',
    names: ['shop:tag-changes:{shop}'],
    args: ['shop'],
    expected: 'expected shop:tag:{shop}:<tag> or shop:clear:{shop} as KEYS[2], and got none',
  },
  {
    mistake: 'a key among tags',
    names: ['shop:tag-changes:{shop}', 'shop:cache:key'],
    args: ['shop'],
    expected: 'expected shop:tag:{shop}:<tag> or shop:clear:{shop} as KEYS[2], and got shop:cache:key',
  },
  {
    mistake: 'a prefix that the names do not have',
    names: ['shop:cache:key'],
    args: ['shop', 'app:'],
    expected:
      'expected app:shop:cache:<key> or app:shop:tag-changes:{shop} as KEYS[1], and got shop:cache:key',
  },
]) {
  test(`the script refuses ${mistake}, and says what it expected`, async (t) => {
    const redis = connect(t);
    const error = await t.throwsAsync(redis.eval(invalidationScript, names.length, ...names, ...args));
    t.is(error.message, `ERR cachement: ${expected}`);
  });
}

test('the rights that the page lists are enough for the script', async (t) => {
  const admin = connect(t);
  const [, rule] = /^ACL (SETUSER writer [^]*?)^```$/m.exec(readFileSync(PAGE, 'utf8')) ?? [];
  await admin.call('ACL', ...rule!.trim().split(/\s+/));
  const redis = new Redis({
    port: server.port,
    username: 'writer',
    password: 'password',
    enableReadyCheck: false,
  });
  t.teardown(() => redis.disconnect());
  const caching = new Caching({
    adapter: ioredis(server.url, PATIENT),
    namespace: 'shop',
    defaults: { ttl: '1m' },
  });
  t.teardown(() => caching.close());
  const invalidateAll = async (): Promise<void> => {
    for (const names of Object.values(namesOf('shop'))) {
      t.is(await redis.eval(invalidationScript, names.length, ...names, 'shop'), 1);
    }
  };
  // With a value and the record of tag changes, and then with marks.
  await caching.cache.getOrSet('key', async () => 1, { tags: () => ['org'] });
  await invalidateAll();
  await caching.cache.invalidateAround({ keys: ['key'], ...TAGS, all: true }, invalidateAll, { safe: '30s' });
  await t.throwsAsync(redis.mget('shop:cache:key'), { message: /NOPERM/ });
  await t.throwsAsync(redis.get('other:cache:key'), { message: /NOPERM/ });
});

// What docs/other-writers.md says of a plain DEL.

test('DEL of an entry ends it in Redis, under tracking and validate also in memory, and refuses the load in progress', async (t) => {
  const redis = connect(t);
  for (const coherence of ['tracking', 'validate'] as const) {
    const { caching, namespace, inMemory } = await open(t, coherence);
    const row = new Row();
    await inMemory(row.load);
    row.write();
    await redis.del(`${namespace}:cache:key`);
    await eventually(coherence, async () => (await caching.cache.getOrSet('key', row.load, TAGS)) === 2);
  }
  const { caching, namespace } = await open(t, undefined);
  const row = new Row();
  const load = new HeldLoad(row);
  const first = caching.cache.getOrSet('key', load.run);
  await load.entered;
  row.write();
  await redis.del(`${namespace}:cache:key`);
  load.finish();
  await first;
  t.is(await caching.cache.getOrSet('key', row.load), 2);
});

test('DEL of an entry does not end it in memory under bus', async (t) => {
  const redis = connect(t);
  const { caching, namespace, inMemory } = await open(t, 'bus');
  // An L1 that has lost its trust meanwhile asks Redis: then once more.
  await eventually('the old value, after the DEL', async () => {
    const row = new Row();
    await inMemory(row.load);
    row.write();
    await redis.del(`${namespace}:cache:key`);
    const found = await caching.cache.getOrSet('key', row.load, TAGS);
    await caching.cache.clear();
    return found === 1;
  });
  t.pass();
});

for (const { names, stored } of [
  { names: ['tag'], stored: true },
  { names: ['tag', 'tag-changes'], stored: false },
] as const) {
  const what = names.join(' and ');
  test(`DEL of ${what}: a load in progress whose tags depend on its result is ${stored ? '' : 'not '}stored`, async (t) => {
    const redis = connect(t);
    const { caching, namespace } = await open(t, undefined);
    const row = new Row();
    const options = { tags: () => ['org'] };
    await caching.cache.getOrSet('other', row.load, options);
    const load = new HeldLoad(row);
    const first = caching.cache.getOrSet('key', load.run, options);
    await load.entered;
    row.write();
    const [changes = '', tag = ''] = namesOf(namespace).tag;
    await redis.del(...(stored ? [tag] : [tag, changes]));
    load.finish();
    await first;
    t.is(await caching.cache.getOrSet('key', row.load, options), stored ? 1 : 2);
  });
}
