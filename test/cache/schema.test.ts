import test from 'ava';
import * as v from 'valibot';
import { z } from 'zod';
import { Cached, withRequestMemo, type StandardSchema } from '../../src/index.js';
import { rig } from '../support/rig.js';

interface User {
  readonly id: number;
  readonly at: Date;
}

const SCHEMAS: Readonly<Record<string, StandardSchema<User>>> = {
  zod: z.object({ id: z.number(), at: z.coerce.date() }),
  valibot: v.object({
    id: v.number(),
    at: v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    ),
  }),
};

const ROW = { id: 1, at: '2026-01-02T00:00:00.000Z' };
const USER = { id: 1, at: new Date('2026-01-02') };
const load = async () => ROW as unknown as User;

for (const [library, schema] of Object.entries(SCHEMAS)) {
  for (const values of ['reference', 'frozen', 'cloned'] as const) {
    test(`${library}, ${values}: the value that the schema returns is the same from the load, from memory and from the store`, async (t) => {
      const { openers, of } = rig(t, 2, { l1: { values } });
      for (const { cache } of [openers[0]!, openers[0]!, openers[1]!, openers[1]!]) {
        t.deepEqual(await cache.getOrSet('key', load, { schema }), USER);
      }
      t.deepEqual(
        of('hit').map(({ tier }) => tier),
        ['l1', 'l2', 'l1'],
      );
      t.deepEqual(await openers[1]!.cache.get('key'), ROW, 'what is stored is the value that was loaded');
      t.deepEqual(await openers[1]!.cache.get('key', { schema }), USER);
    });
  }

  test(`${library}: a stored value of an older shape is a miss, and the next load replaces it`, async (t) => {
    const { openers, of } = rig(t, 1, { l1: true });
    const { cache } = openers[0]!;
    await cache.set('key', { id: '1' });
    t.is(await cache.get('key', { schema }), undefined);
    t.deepEqual(await cache.getOrSet('key', load, { schema }), USER);
    t.deepEqual(
      of('miss').map(({ cause }) => cause),
      ['rejected', 'rejected'],
    );
    t.deepEqual(of('error'), [], 'an older shape is no error');
    t.deepEqual(await cache.get('key', { schema }), USER);
  });

  test(`${library}: a loaded value that the schema rejects rejects the call, and is not stored`, async (t) => {
    const { openers } = rig(t);
    const { cache } = openers[0]!;
    const bad = async () => ({ id: '1', at: 'x' }) as unknown as User;
    const error = await t.throwsAsync(cache.getOrSet('key', bad, { schema }), { name: 'ValueError' });
    t.regex(
      error!.message,
      /^Expected a value that schema accepts: id: .*\. Correct the value, or the schema\.$/,
    );
    t.is((error as { reason?: unknown }).reason, 'rejected');
    await t.throwsAsync(cache.set('key', await bad(), { schema }), { name: 'ValueError' });
    t.false(await cache.has('key'));
  });

  test(`${library}: under bypass a loaded value that the schema rejects is returned and not stored`, async (t) => {
    const { openers, of } = rig(t);
    const { cache } = openers[0]!;
    const bad = { id: '1' } as unknown as User;
    t.is(await cache.getOrSet('key', async () => bad, { schema, onUnsupported: 'bypass' }), bad);
    t.like(of('notStored'), [{ reason: 'rejected' }]);
    t.like(of('error'), [{ operation: 'encode' }]);
    t.false(await cache.has('key'));
  });
}

test('null passes only a schema that accepts it', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const schema = z.object({ id: z.number() });
  const none = async (): Promise<{ id: number } | null> => null;
  await t.throwsAsync(cache.getOrSet('key', none, { schema }), { name: 'ValueError' });
  t.is(await cache.getOrSet('key', none, { schema: schema.nullable() }), null);
  t.is(
    await cache.getOrSet('key', async () => ({ id: 1 }), { schema: schema.nullable() as never }),
    null as never,
  );
});

test('undefined passes every schema', async (t) => {
  const { openers, of } = rig(t, 2, { l1: true });
  const schema = z.object({ id: z.number() });
  const none = async (): Promise<{ id: number } | undefined> => undefined;
  for (const { cache } of [openers[0]!, openers[0]!, openers[1]!, openers[1]!]) {
    t.is(await cache.getOrSet('key', none, { schema }), undefined);
  }
  t.is(of('load').length, 1);
});

test('each value of a batch passes the schema and is revived, and ids without a value have none', async (t) => {
  const { openers } = rig(t, 2, { l1: true });
  const schema = z.object({ x: z.number() });
  const options = {
    key: (id: number) => ['point', id],
    schema: schema as StandardSchema<Point>,
    revive: Point,
  };
  const loader = async (ids: readonly number[]) =>
    new Map(ids.filter((id) => id < 3).map((id) => [id, Object.assign(new Point(), { x: id })]));
  for (const { cache } of [openers[0]!, openers[0]!, openers[1]!, openers[1]!]) {
    const points = await cache.getOrSetMany([1, 2, 3], loader, options);
    t.deepEqual(
      [...points].map(([id, point]) => [id, point.double()]),
      [
        [1, 2],
        [2, 4],
      ],
    );
  }
  const bad = async () => new Map([[9, { y: 1 } as unknown as Point]]);
  await t.throwsAsync(
    openers[0]!.cache.getOrSetMany([9], bad, { ...options, revive: (data: Point) => data }),
    {
      name: 'ValueError',
    },
  );
});

class Point {
  declare readonly x: number;
  double(): number {
    return this.x * 2;
  }
}

test('with revive, the schema checks the data, and revive gets what it returns', async (t) => {
  const { openers, of } = rig(t, 2, { l1: true });
  const schema: StandardSchema = z.object({ x: z.number().transform((x) => x + 1) });
  const options = { schema: schema as StandardSchema<Point>, revive: Point };
  const loaded = async () => Object.assign(new Point(), { x: 1 });
  for (const { cache } of [openers[0]!, openers[0]!, openers[1]!, openers[1]!]) {
    const point = await cache.getOrSet('key', loaded, options);
    t.true(point instanceof Point);
    t.is(point.double(), 4);
  }
  t.is(of('load').length, 1);
});

test('unless and tags get the value that the schema returns', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  const seen: unknown[] = [];
  const tags = (value: User) => {
    seen.push(value);
    return ['users'];
  };
  const unless = (value: User) => {
    seen.push(value);
    return false;
  };
  await cache.getOrSet('key', load, { schema: SCHEMAS['zod']!, tags, unless });
  t.deepEqual(seen, [USER, USER]);
});

test('a request memo returns copies of the value that the schema has returned', async (t) => {
  const { openers } = rig(t, 1, { l1: { values: 'cloned' } });
  const { cache } = openers[0]!;
  const schema = SCHEMAS['valibot']!; // It does not accept what it returns.
  await withRequestMemo(async () => {
    const first = await cache.getOrSet('key', load, { schema });
    const second = await cache.getOrSet('key', load, { schema });
    t.deepEqual(second, USER);
    t.not(second, first);
  });
});

test('a load that the schema rejects is a failed load: a stale value is returned', async (t) => {
  const { openers, clock, of } = rig(t, 1, { defaults: { ttl: '1m', grace: '1h' } });
  const { cache } = openers[0]!;
  const schema = SCHEMAS['zod']!;
  await cache.getOrSet('key', load, { schema });
  await clock.advance(61_000);
  const bad = async () => ({}) as User;
  t.deepEqual(await cache.getOrSet('key', bad, { schema }), USER);
  t.is(of('hit').at(-1)?.stale, 'error');
});

test('a stale value that the schema rejects is not returned', async (t) => {
  const { openers, clock } = rig(t, 1, { defaults: { ttl: '1m', grace: '1h' } });
  const { cache } = openers[0]!;
  await cache.set('key', { id: 'older' });
  await clock.advance(61_000);
  const failing = async (): Promise<User> => {
    throw new Error('down');
  };
  await t.throwsAsync(cache.getOrSet('key', failing, { schema: SCHEMAS['zod']! }), { message: 'down' });
});

test('a schema that validates asynchronously is refused', async (t) => {
  const { openers, of } = rig(t);
  const { cache } = openers[0]!;
  const schema = v.pipeAsync(
    v.number(),
    v.checkAsync(async () => true),
  );
  const message =
    'schema is one that validates synchronously, and this one (valibot) returns a promise. ' +
    'Check what needs a promise in the method.';
  await t.throwsAsync(
    cache.getOrSet('key', async () => 1, { schema }),
    { name: 'OptionsError', message },
  );
  await cache.set('key', 1);
  t.is(await cache.get('key', { schema }), undefined);
  t.like(of('error').at(-1), { operation: 'decode', error: { message } });
});

test('an option schema or revive that is none throws', async (t) => {
  const { openers } = rig(t);
  const { cache } = openers[0]!;
  for (const schema of ['zod', null, {}, () => true, { '~standard': {} }]) {
    await t.throwsAsync(cache.get('key', { schema: schema as never }), {
      name: 'OptionsError',
      message: /^schema of get is a schema with the Standard Schema interface/,
    });
  }
  for (const revive of ['User', null, {}]) {
    await t.throwsAsync(cache.get('key', { revive: revive as never }), {
      name: 'OptionsError',
      message: /^revive of get is a class or a function/,
    });
  }
});

test('explain and peek of a decorated method see the value as its calls do', async (t) => {
  const { openers } = rig(t, 1, { l1: true });
  const { caching } = openers[0]!;
  class Users {
    async find(_id: number): Promise<User> {
      return load();
    }
  }
  const schema = SCHEMAS['valibot']!;
  const property = Object.getOwnPropertyDescriptor(Users.prototype, 'find')!;
  const decorated = Cached({ key: 'key', schema, cache: caching })(
    Users.prototype,
    'find',
    property as never,
  );
  Object.defineProperty(Users.prototype, 'find', decorated ?? property);
  const find = caching.of(new Users(), 'find');
  await caching.cache.set('key', { id: 'older' });
  await caching.cache.get('key');
  t.is(
    await find.explain(1),
    'miss: what is stored is rejected by schema or revive. The L1 is not used: it has the value of another revive, schema or codec.',
  );
  t.is(await find.peek(1), undefined);
  await caching.cache.set('key', ROW);
  t.deepEqual((await find.peek(1))?.value, USER);
});
