import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching, createDecorators, subscribe, type VerifiedMethod } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { redisForFile } from '../support/servers.js';

/** A longer run: VERIFY_HITS=100000 npm test -- test/coherence/verification.test.ts */
const HITS = Number(process.env['VERIFY_HITS'] ?? 5_000);
const IDS = Array.from({ length: 40 }, (_, i) => `${i}`);
const ORGS = ['0', '1', '2', '3'];
const READERS = 24;
/** Between the requests of a reader, so that values are verified meanwhile. */
const READ_PAUSE_MS = 20;
const AFTER_MS = 1_000;
/** How long a writer takes at most from its commit to its invalidation. */
const COMMIT_TO_INVALIDATION_MS = 400;

const server = redisForFile(test);

interface User {
  readonly id: string;
  readonly version: number;
}

/** What all processes read and write: a read takes some time, and returns what was committed at some moment of it. */
class Database {
  readonly #users = new Map<string, number>();
  readonly #names = new Map<string, number>();

  async user(id: string): Promise<User> {
    await turn();
    return { id, version: this.#users.get(id) ?? 0 };
  }

  async org(org: string): Promise<User[]> {
    return Promise.all(IDS.filter((id) => orgOf(id) === org).map((id) => this.user(id)));
  }

  async name(id: string): Promise<string> {
    await turn();
    return `name ${this.#names.get(id) ?? 0} of ${id}`;
  }

  commitUser(id: string): void {
    this.#users.set(id, (this.#users.get(id) ?? 0) + 1);
  }

  commitName(id: string): void {
    this.#names.set(id, (this.#names.get(id) ?? 0) + 1);
  }
}

function orgOf(id: string): string {
  return String(Number(id) % ORGS.length);
}

function oneOf(list: readonly string[]): string {
  return list[Math.floor(Math.random() * list.length)]!;
}

/** One process: five methods whose entries are invalidated, and one whose writer forgets to. */
function application(caching: Caching, db: Database) {
  const { Cached, CachedMany, Invalidates } = createDecorators(caching);
  class Users {
    @Cached({ key: 'user:{0}' })
    async find(id: string): Promise<User> {
      return db.user(id);
    }
    @CachedMany({ key: 'listed:{0}', tags: 'user:{0}' })
    async findMany(ids: string[]): Promise<Map<string, User>> {
      return new Map(await Promise.all(ids.map(async (id) => [id, await db.user(id)] as const)));
    }
    @Cached({ key: 'org:{0}', tags: 'org:{0}' })
    async ofOrg(org: string): Promise<Map<string, User>> {
      return new Map((await db.org(org)).map((user) => [user.id, user]));
    }
    @Cached({ key: 'list:{0}', tags: (users: User[]) => users.map(({ id }) => `user:${id}`) })
    async listOfOrg(org: string): Promise<User[]> {
      return db.org(org);
    }
    /** Has a part that differs in every load. */
    @Cached({ key: 'page:{0}', tags: 'user:{0}' })
    async page(id: string): Promise<object> {
      return { user: await db.user(id), renderedAt: process.hrtime.bigint() };
    }
    @Invalidates({ keys: 'user:{0}', tags: ['user:{0}', 'org:{1}'] })
    async save(id: string, _org: string): Promise<void> {
      db.commitUser(id);
      await sleep(Math.random() * COMMIT_TO_INVALIDATION_MS);
    }
  }
  class Profiles {
    @Cached({ key: 'profile:{0}', tags: 'profile:{0}' })
    async find(id: string): Promise<{ id: string; profile: { name: string } }> {
      return { id, profile: { name: await db.name(id) } };
    }
    /** Forgets `@Invalidates({ tags: 'profile:{0}' })`. */
    async rename(id: string): Promise<void> {
      db.commitName(id);
    }
  }
  return { users: new Users(), profiles: new Profiles() };
}

/** The sum over the processes, by method. */
function merge(cachings: readonly Caching[]): VerifiedMethod[] {
  const sums = new Map<string | undefined, VerifiedMethod>();
  for (const one of cachings.flatMap((caching) => caching.verification().methods)) {
    const sum = sums.get(one.method);
    sums.set(one.method, {
      method: one.method,
      verified: one.verified + (sum?.verified ?? 0),
      stale: one.stale + (sum?.stale ?? 0),
      unconfirmed: one.unconfirmed + (sum?.unconfirmed ?? 0),
      skipped: one.skipped + (sum?.skipped ?? 0),
      path: one.path ?? sum?.path,
    });
  }
  return [...sums.values()];
}

test.serial(
  'four processes on Redis, under concurrent writes: the method whose writer forgets is found and named, and no other one is accused',
  async (t) => {
    t.timeout(600_000);
    const db = new Database();
    const namespace = 'verification';
    const cachings = ([false, true, true, { coherence: 'validate' }] as const).map(
      (l1) =>
        new Caching({
          adapter: ioredis(server().url, { timeout: '10s' }),
          namespace,
          l1,
          defaults: { ttl: '10m', storeTimeout: '20s', verify: { share: 0.5, after: AFTER_MS } },
        }),
    );
    t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
    await Promise.all(cachings.map((caching) => caching.ready()));
    let hits = 0;
    const accused = new Set<string | undefined>();
    t.teardown(subscribe('hit', (event) => void (event.namespace === namespace && hits++)));
    t.teardown(subscribe('stale', ({ method }) => void accused.add(method)));
    const processes = cachings.map((caching) => application(caching, db));
    const { users: writer, profiles } = processes[0]!;
    let isOver = false;

    const read = async (n: number): Promise<void> => {
      const { users, profiles: ofProcess } = processes[n % processes.length]!;
      while (!isOver) {
        const id = oneOf(IDS);
        await users.find(id);
        await users.findMany([oneOf(IDS), oneOf(IDS)]);
        await users.ofOrg(oneOf(ORGS));
        await users.listOfOrg(oneOf(ORGS));
        await users.page(id);
        await ofProcess.find(id);
        await sleep(READ_PAUSE_MS);
      }
    };
    const write = async (): Promise<void> => {
      while (!isOver) {
        const id = oneOf(IDS);
        await writer.save(id, orgOf(id));
      }
    };
    const rename = async (): Promise<void> => {
      while (!isOver) {
        await profiles.rename(oneOf(IDS));
        await sleep(100);
      }
    };
    const work = [...Array.from({ length: READERS }, (_, n) => read(n)), rename()];
    for (let writers = 0; writers < 4; writers++) work.push(write());
    await eventually(`${HITS} hits, and a stale value`, () => hits >= HITS && accused.size > 0, 500_000);
    isOver = true;
    await Promise.all(work);
    // What differed at last is decided after that.
    await sleep(AFTER_MS + COMMIT_TO_INVALIDATION_MS);

    const methods = merge(cachings);
    t.log(`${hits} hits in ${cachings.length} processes`);
    for (const { method, verified, stale, unconfirmed, skipped } of methods) {
      t.log(
        `${method}: ${verified} verified, ${stale} stale, ${unconfirmed} unconfirmed, ${skipped} skipped`,
      );
    }
    t.deepEqual(
      methods.filter(({ stale }) => stale > 0).map(({ method, path }) => [method, path]),
      [['Profiles.find', '.profile.name']],
    );
    t.deepEqual([...accused], ['Profiles.find']);
    const correct = methods.filter(({ method }) => method !== 'Profiles.find');
    t.deepEqual(correct.map(({ method }) => method).sort(), [
      'Users.find',
      'Users.findMany',
      'Users.listOfOrg',
      'Users.ofOrg',
      'Users.page',
    ]);
    t.true(
      correct.some(({ unconfirmed }) => unconfirmed > 0),
      'A comparison alone would have accused them.',
    );
  },
);
