import test from 'ava';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import {
  Caching,
  createDecorators,
  MissingContextError,
  withContext,
  withRequestMemo,
} from '../../src/index.js';
import { redisForFile } from '../support/servers.js';

const server = redisForFile(test);
const TENANTS = ['acme', 'beta'] as const;
const IDS = Array.from({ length: 20 }, (_, i) => `${i}`);
const ROUNDS = 300;

/** A row of the database of one tenant. */
interface Row {
  readonly tenant: string;
  readonly id: string;
  readonly version: number;
}

for (const l1 of [false, true]) {
  test(`two tenants behind one service: nothing crosses, and a call without its tenant throws (${l1 ? 'with an L1' : 'without an L1'})`, async (t) => {
    const namespace = `tenants-${l1 ? 'l1' : 'l2'}`;
    const options = {
      namespace,
      context: ['tenant'],
      l1,
      defaults: { ttl: '1m', storeTimeout: '20s' },
    } as const;
    // As two processes.
    const cachings = [1, 2].map(
      () =>
        new Caching({
          ...options,
          adapter: ioredis(server().url, { timeout: '5s' }),
        }),
    );
    t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
    await Promise.all(cachings.map((caching) => caching.ready()));

    const versions = new Map<string, number>();
    let forgotten = 0;
    const services = cachings.map((caching) => {
      const { Cached, Invalidates, Locked } = createDecorators(caching);
      class Users {
        @Cached({ key: 'user:{0}', tags: ['users'] })
        async find(id: string, tenant: string | undefined): Promise<Row> {
          if (tenant === undefined) forgotten++;
          const version = versions.get(`${tenant} ${id}`) ?? 0;
          await new Promise((resolve) => setImmediate(resolve));
          return { tenant: String(tenant), id, version };
        }
        @Locked({ key: 'user:{0}', wait: '30s' })
        @Invalidates({ keys: 'user:{0}' })
        async save(id: string, tenant: string | undefined): Promise<void> {
          if (tenant === undefined) forgotten++;
          versions.set(`${tenant} ${id}`, (versions.get(`${tenant} ${id}`) ?? 0) + 1);
        }
        @Invalidates({ tags: 'users' })
        async import(tenant: string): Promise<void> {
          for (const id of IDS) versions.set(`${tenant} ${id}`, (versions.get(`${tenant} ${id}`) ?? 0) + 1);
        }
      }
      return new Users();
    });

    let refused = 0;
    /** One request: what it reads is its own, and after its own write it reads nothing older. */
    const request = async (n: number): Promise<void> => {
      const users = services[n % 2]!;
      const tenant = TENANTS[Math.floor(n / 2) % 2]!;
      const id = IDS[(n * 7) % IDS.length]!;
      if (n % 10 === 9) {
        for (const call of [() => users.find(id, undefined), () => users.save(id, undefined)]) {
          const error = await t.throwsAsync(call, { instanceOf: MissingContextError });
          if (error.part === 'tenant') refused++;
        }
        return;
      }
      const handle = async (): Promise<void> => {
        const before = await users.find(id, tenant);
        t.deepEqual([before.tenant, before.id], [tenant, id]);
        if (n % 5 === 0) {
          await users.save(id, tenant);
          const written = versions.get(`${tenant} ${id}`)!;
          const after = await users.find(id, tenant);
          t.is(after.tenant, tenant);
          t.true(after.version >= written || versions.get(`${tenant} ${id}`)! > written);
        }
        if (n % 50 === 1) await users.import(tenant);
        t.is((await users.find(id, tenant)).tenant, tenant);
      };
      await withContext({ tenant }, n % 3 === 0 ? () => withRequestMemo(handle) : handle);
    };
    for (let round = 0; round < ROUNDS / 30; round++) {
      await Promise.all(Array.from({ length: 30 }, (_, i) => request(round * 30 + i)));
    }
    t.is(refused, (2 * ROUNDS) / 10);
    t.is(forgotten, 0);
    t.true(versions.size > 0);
  });

  test(`a tag that one tenant invalidates leaves the entries of the other (${l1 ? 'with an L1' : 'without an L1'})`, async (t) => {
    const options = {
      namespace: `tags-${l1 ? 'l1' : 'l2'}`,
      context: ['tenant'],
      l1,
      defaults: { ttl: '1m' },
    } as const;
    const caching = new Caching({ ...options, adapter: ioredis(server().url, { timeout: '5s' }) });
    t.teardown(() => caching.close());
    await caching.ready();
    const loads = new Map<string, number>();
    const read = (tenant: string) =>
      withContext({ tenant }, () =>
        caching.cache.getOrSet(
          'users',
          () => {
            loads.set(tenant, (loads.get(tenant) ?? 0) + 1);
            return tenant;
          },
          { tags: ['users'], sharedTags: ['all users'], storeTimeout: '20s' },
        ),
      );
    for (const tenant of TENANTS) await read(tenant);
    await withContext({ tenant: 'acme' }, () => caching.cache.invalidate({ tags: ['users'] }));
    for (const tenant of TENANTS) t.is(await read(tenant), tenant);
    t.deepEqual(
      [...loads],
      [
        ['acme', 2],
        ['beta', 1],
      ],
    );
    await caching.verbs({ context: false }).cache.invalidate({ tags: ['all users'] });
    for (const tenant of TENANTS) t.is(await read(tenant), tenant);
    t.deepEqual(
      [...loads],
      [
        ['acme', 3],
        ['beta', 2],
      ],
    );
  });
}
