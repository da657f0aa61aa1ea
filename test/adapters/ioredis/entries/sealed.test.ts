import test, { type ExecutionContext } from 'ava';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { REFRESHABLE_HEAD, RETRY_AT } from '../../../../src/core/ports/entry-format.js';
import type { SealOptions } from '../../../../src/core/seal/seal-options.js';
import { Caching, type CacheOptions } from '../../../../src/index.js';
import { recordEvents } from '../../../../src/testing/record-events.js';
import { eventually } from '../../../support/eventually.js';
import { KEY, NEW_KEY } from '../../../support/seal-keys.js';
import { redisForFile } from '../../../support/servers.js';
import { admin } from '../rig.js';

const redis = redisForFile(test);
const MODES = ['encrypt', 'sign'] as const;
let opened = 0;

/** Two processes, and a plain client that may do anything to their Redis. */
async function world(t: ExecutionContext, seal: SealOptions, options: CacheOptions = {}) {
  const namespace = `sealed-${process.pid}-${++opened}`;
  const open = (keys: SealOptions['keys'] = seal.keys) => {
    const caching = new Caching({
      adapter: ioredis(redis().url, { timeout: '20s', connectTimeout: '20s' }),
      namespace,
      seal: { ...seal, keys },
      defaults: { ttl: '1m', storeTimeout: '20s', ...options },
    });
    t.teardown(() => caching.close());
    return caching.cache;
  };
  const events = recordEvents(namespace);
  t.teardown(() => events.stop());
  const [here, there] = [open(), open()];
  const client = admin(t, redis().url);
  const at = (key: string): string => `${namespace}:cache:${key}`;
  return { namespace, open, here, there, client, at, events };
}

for (const mode of MODES) {
  test(`${mode}: a value that is moved to another key by RENAME, COPY or RESTORE is a miss`, async (t) => {
    const { here, there, client, at, events } = await world(t, { keys: [KEY], mode });
    await here.set('mine', 'my balance');
    const dump = await client.dumpBuffer(at('mine'));
    await client.restore(at('restored'), 60_000, dump!);
    await client.copy(at('mine'), at('copied'));
    await client.set(at('written'), (await client.getBuffer(at('mine')))!);
    await client.rename(at('mine'), at('renamed'));
    for (const key of ['restored', 'copied', 'written', 'renamed']) {
      t.is(await there.get(key), undefined, key);
      t.is(await there.getOrSet(key, async () => 'your balance'), 'your balance', key);
      t.is(await here.get(key), 'your balance', key);
    }
    await client.restore(at('mine'), 60_000, dump!);
    t.is(await there.get('mine'), 'my balance');
    t.deepEqual(new Set(events.of('miss').map(({ cause }) => cause)), new Set(['unverified']));
    t.deepEqual(events.of('error'), []);
  });

  test(`${mode}: a value is a miss for another namespace`, async (t) => {
    const one = await world(t, { keys: [KEY], mode });
    const other = await world(t, { keys: [KEY], mode });
    await one.here.set('key', 1);
    // Also with the clear nonce, so that nothing but the seal stands between the two.
    await one.client.copy(
      `${one.namespace}:clear:{${one.namespace}}`,
      `${other.namespace}:clear:{${other.namespace}}`,
    );
    await one.client.copy(one.at('key'), other.at('key'));
    t.is(await other.here.get('key'), undefined);
    t.deepEqual(
      other.events.of('miss').map(({ cause }) => cause),
      ['unverified'],
    );
  });

  test(`${mode}: a value with any byte altered by SETRANGE, cut or extended is a miss`, async (t) => {
    const { here, there, client, at, events } = await world(t, { keys: [KEY], mode });
    await here.set('key', 'value', { tags: ['tag'] });
    const record = (await client.getBuffer(at('key')))!;
    for (let i = 0; i < record.length; i++) {
      // When and by whom it is loaded again changes in place.
      if (i >= RETRY_AT && i < REFRESHABLE_HEAD) continue;
      await client.setrange(at('key'), i, Buffer.of(record[i]! ^ 0x80));
      t.is(await there.get('key'), undefined, `byte ${i}`);
      await client.setrange(at('key'), i, Buffer.of(record[i]!));
    }
    for (const bytes of [record.subarray(0, -1), Buffer.concat([record, Buffer.of(0)]), Buffer.alloc(0)]) {
      await client.set(at('key'), bytes);
      t.is(await there.get('key'), undefined);
    }
    await client.set(at('key'), record);
    t.is(await there.get('key'), 'value');
    t.deepEqual(new Set(events.of('miss').map(({ cause }) => cause)), new Set(['unverified']));
    await client.setrange(at('key'), record.length - 1, Buffer.of(record.at(-1)! ^ 1));
    t.is(await there.getOrSet('key', async () => 'loaded'), 'loaded');
    t.is(await here.get('key'), 'loaded');
  });

  test(`${mode}: an entry ends with its ttl, also after PERSIST`, async (t) => {
    const { here, there, client, at, events } = await world(t, { keys: [KEY], mode }, { jitter: 0 });
    await eventually('a record without an end', async () => {
      await here.set('key', 1, { ttl: '500ms' });
      return (await client.persist(at('key'))) === 1;
    });
    await eventually('the end of the ttl', async () => (await there.get('key')) === undefined);
    t.is(events.of('miss').at(-1)?.cause, 'expired');
    t.is(await client.exists(at('key')), 1);
    t.is(await there.getOrSet('key', async () => 2), 2);
  });

  test(`${mode}: leases, waiters and the back-off in a record leave its seal intact`, async (t) => {
    const options = { jitter: 0, ttl: '100ms', grace: '1m', graceBackoff: '1m' } as const;
    const { here, there, client, at } = await world(t, { keys: [KEY], mode }, options);
    t.is(await here.getOrSet('key', async () => 'value'), 'value');
    const before = (await client.getBuffer(at('key')))!;
    await eventually('the end of the ttl', async () => (await here.get('key')) === undefined);
    const fails = async (): Promise<string> => {
      throw new Error('The database is down.');
    };
    t.is(await here.getOrSet('key', fails), 'value', 'the load fails');
    const after = (await client.getBuffer(at('key')))!;
    t.notDeepEqual(after, before);
    t.deepEqual(after.subarray(REFRESHABLE_HEAD), before.subarray(REFRESHABLE_HEAD));
    t.is(await there.getOrSet('key', fails), 'value', 'the back-off');
  });

  test(`${mode}: processes with both keys in either order share their entries`, async (t) => {
    const { open, events } = await world(t, { keys: [KEY], mode });
    const [old, next] = [open([KEY, NEW_KEY]), open([NEW_KEY, KEY])];
    await old.set('old', 1);
    await next.set('next', 2);
    t.is(await next.get('old'), 1);
    t.is(await old.get('next'), 2);
    t.deepEqual(events.of('miss'), []);
  });
}

test('encrypt: nothing in Redis has a part of a value', async (t) => {
  const { namespace, here, there, client } = await world(
    t,
    { keys: [KEY] },
    { grace: '1m', inheritTags: true },
  );
  const secret = { name: 'Ada Lovelace', address: 'St James’s Square', 'field name': true };
  await here.set('object', secret, { tags: ['tag'] });
  await here.getOrSet('bytes', async () => Buffer.from('Ada Lovelace'), { compression: { threshold: 0 } });
  await here.getOrSetMany(['1', '2'], async (ids) => new Map(ids.map((id) => [id, secret])), {
    key: (id) => `many:${id}`,
  });
  t.deepEqual(await there.get('object'), secret);
  const keys = await client.keys(`${namespace}:*`);
  t.true(keys.length >= 6);
  for (const key of keys) {
    const bytes = (await client.getBuffer(key))!;
    for (const part of ['Ada', 'Lovelace', 'Square', 'field', 'name'])
      t.false(bytes.includes(part), `${part} at ${key}`);
  }
});
