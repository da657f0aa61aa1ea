import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import * as v from 'valibot';
import { memory } from '../../src/adapters/memory/index.js';
import { Sessions, type SessionsOptions } from '../../src/core/sessions/index.js';
import { Caching, OptionsError, StoreUnavailableError, ValueError } from '../../src/index.js';
import { rig, type Rig } from '../support/rig.js';

interface Data {
  readonly cart: readonly string[];
}

interface Opened extends Rig {
  readonly sessions: Sessions<Data>;
  /** The same sessions in another process. */
  readonly others: Sessions<Data>;
}

function open(t: ExecutionContext, options: SessionsOptions<Data> = {}): Opened {
  const opened = rig(t, 2);
  const [sessions, others] = opened.openers.map(({ caching }) => new Sessions<Data>(caching, options));
  return { ...opened, sessions: sessions!, others: others! };
}

const EMPTY: Data = { cart: [] };
const MINUTE = 60_000;

// --- ids -----------------------------------------------------------------------------------------------------------

test('an id has 384 random bits in base64url, and is never given twice', async (t) => {
  const { sessions } = open(t);
  const created = await Promise.all(Array.from({ length: 50 }, () => sessions.create(EMPTY)));
  for (const { id, handle } of created) {
    t.regex(id, /^[\w-]{64}$/);
    t.is(handle, id.slice(0, 20));
  }
  t.is(new Set(created.map(({ id }) => id.slice(20))).size, 50);
  t.is(new Set(created.map(({ handle }) => handle)).size, 50);
});

test('the store has no id, and nothing from which one can be made', async (t) => {
  const { sessions, openers } = open(t);
  const created = await sessions.create(EMPTY, { user: 'u1' });
  const rotated = await sessions.rotate(created.id, { user: 'u1' });
  await sessions.update(rotated!.id, { cart: ['book'] });
  const secrets = [created.id, rotated!.id].map((id) => id.slice(20));
  const { chaos } = openers[0]!;
  const sent = (['create', 'read', 'update', 'bind', 'isCurrent'] as const).flatMap((verb) =>
    chaos.calls(`sessions.${verb}`),
  );
  t.true(sent.length >= 7);
  for (const secret of secrets) t.false(inspect(sent, { depth: 10 }).includes(secret));
});

test('a session that is logged or serialized does not tell its id', async (t) => {
  const { sessions } = open(t);
  const { id } = await sessions.create(EMPTY);
  const found = await sessions.get(id);
  t.is(found?.id, id);
  const secret = id.slice(20);
  for (const text of [JSON.stringify(found), inspect(found, { showHidden: true, depth: 10 })]) {
    t.false(text.includes(secret));
    t.true(text.includes('cart'));
  }
});

for (const bad of [
  undefined,
  null,
  '',
  'x',
  'A'.repeat(63),
  'A'.repeat(65),
  'A'.repeat(1_000_000),
  `${'A'.repeat(63)}\n`,
  `${'A'.repeat(63)}\0`,
  `${'A'.repeat(63)}*`,
  `${'A'.repeat(62)}{}`,
  42,
  ['A'.repeat(64)],
  { toString: () => 'A'.repeat(64) },
]) {
  test(`a bad id is not found, and the store is not asked: ${inspect(bad).slice(0, 70)}`, async (t) => {
    const { sessions, openers } = open(t);
    const id = bad as string;
    t.is(await sessions.get(id), undefined);
    t.is(await sessions.update(id, EMPTY), undefined);
    t.is(await sessions.update(id, () => EMPTY), undefined);
    t.is(await sessions.rotate(id), undefined);
    t.is(await sessions.rotate(id, { user: 'u1' }), undefined);
    t.false(await sessions.touch(id));
    t.false(await sessions.destroy(id));
    t.deepEqual(openers[0]!.chaos.verbs, []);
  });
}

test('an id that somebody made up is not found, and is not given to the new session', async (t) => {
  const { sessions } = open(t);
  const planted = 'A'.repeat(64);
  t.is(await sessions.get(planted), undefined);
  t.not((await sessions.create(EMPTY)).id, planted);
  t.is(await sessions.get(planted), undefined);
});

test('the handle with another secret is not found', async (t) => {
  const { sessions } = open(t);
  const { handle, id } = await sessions.create(EMPTY, { user: 'u1' });
  const wrong = handle + 'A'.repeat(44);
  t.is(await sessions.get(wrong), undefined);
  t.is(await sessions.update(wrong, { cart: ['x'] }), undefined);
  t.is(await sessions.rotate(wrong), undefined);
  t.false(await sessions.touch(wrong));
  t.false(await sessions.destroy(wrong));
  t.deepEqual((await sessions.get(id))?.data, EMPTY);
});

// --- data ----------------------------------------------------------------------------------------------------------

test('data comes back equal in another process, and shares nothing with what was given', async (t) => {
  const { openers } = open(t);
  const [one, other] = openers.map(({ caching }) => new Sessions<object>(caching));
  const data = { at: new Date(5), tags: new Set(['a']), big: 7n, nothing: undefined };
  const created = await one!.create(data);
  t.deepEqual(created.data, data);
  t.not(created.data, data);
  t.deepEqual((await other!.get(created.id))?.data, data);
});

test('data that cannot be stored is refused with its path, and nothing is stored', async (t) => {
  const { sessions, openers } = open(t);
  const bad = { cart: [() => 'x'] } as unknown as Data;
  const error = await t.throwsAsync(sessions.create(bad), { instanceOf: ValueError });
  t.is(error.reason, 'unsupported');
  t.regex(error.message, /a function at value\.cart\[0\]/);
  t.deepEqual(openers[0]!.chaos.verbs, []);
  const { id } = await sessions.create(EMPTY);
  await t.throwsAsync(sessions.update(id, bad), { instanceOf: ValueError });
  await t.throwsAsync(
    sessions.update(id, () => bad),
    { instanceOf: ValueError },
  );
  await t.throwsAsync(sessions.rotate(id, { data: bad }), { instanceOf: ValueError });
  t.deepEqual((await sessions.get(id))?.data, EMPTY);
});

test('a session over maxValueBytes is refused', async (t) => {
  const { sessions } = open(t, { maxValueBytes: 100 });
  const { id } = await sessions.create(EMPTY);
  const large = { cart: ['x'.repeat(100)] };
  for (const refused of [sessions.create(large), sessions.update(id, large)]) {
    const error = await t.throwsAsync(refused, { instanceOf: ValueError });
    t.is(error.reason, 'too-large');
  }
  t.deepEqual((await sessions.get(id))?.data, EMPTY);
});

test('a schema checks what is written, transforms what is read, and rejects what is stored', async (t) => {
  const { openers, of } = open(t);
  const { caching } = openers[0]!;
  const schema = v.object({
    n: v.pipe(
      v.number(),
      v.transform((n) => ({ double: 2 * n })),
    ),
  });
  const typed = new Sessions<{ n: unknown }>(caching, { schema: schema as never });
  const error = await t.throwsAsync(typed.create({ n: 'x' }), { instanceOf: ValueError });
  t.is(error.reason, 'rejected');
  const created = await typed.create({ n: 4 });
  t.deepEqual(created.data, { n: { double: 8 } });
  t.deepEqual((await typed.get(created.id))?.data, { n: { double: 8 } });
  const old = await new Sessions<object>(caching).create({ m: 1 }, { user: 'u1' });
  t.is(await typed.get(old.id), undefined);
  t.is(await typed.update(old.id, () => ({ n: 1 })), undefined);
  t.deepEqual(await typed.list('u1'), []);
  t.regex(String(of('error')[0]?.error), /the schema rejects/);
  t.false(inspect(of('error'), { depth: 10 }).includes(old.id.slice(20)));
});

// --- times ---------------------------------------------------------------------------------------------------------

test('a session ends when it was not used for its ttl', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m' });
  const { id, expiresInMs } = await sessions.create(EMPTY);
  t.is(expiresInMs, 30 * MINUTE);
  await clock.advance(29 * MINUTE);
  t.like(await sessions.get(id), { ageMs: 29 * MINUTE, expiresInMs: 30 * MINUTE });
  await clock.advance(30 * MINUTE);
  t.is(await sessions.get(id), undefined);
  t.false(await sessions.touch(id));
  t.is(await sessions.update(id, EMPTY), undefined);
  t.is(await sessions.rotate(id), undefined);
});

test('touch, update and rotate extend a session', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m' });
  let { id } = await sessions.create(EMPTY, { user: 'u1' });
  await clock.advance(29 * MINUTE);
  t.true(await sessions.touch(id));
  await clock.advance(29 * MINUTE);
  t.truthy(await sessions.update(id, EMPTY));
  await clock.advance(29 * MINUTE);
  ({ id } = (await sessions.rotate(id))!);
  await clock.advance(29 * MINUTE);
  t.truthy(await sessions.get(id));
});

test('what is known of the user lives as long as the session that is extended', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m' });
  const { id } = await sessions.create(EMPTY, { user: 'u1' });
  for (let use = 0; use < 10; use++) {
    await clock.advance(29 * MINUTE);
    t.is((await sessions.get(id))?.user, 'u1');
  }
  t.is((await sessions.list('u1')).length, 1);
  await sessions.revokeAll('u1');
  t.is(await sessions.get(id), undefined);
});

test('without rolling, get and update do not extend a session, and touch does', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m', rolling: false });
  const { id } = await sessions.create(EMPTY);
  await clock.advance(20 * MINUTE);
  t.is((await sessions.get(id))?.expiresInMs, 10 * MINUTE);
  t.is((await sessions.update(id, EMPTY))?.expiresInMs, 10 * MINUTE);
  t.is((await sessions.get(id, { rolling: true }))?.expiresInMs, 30 * MINUTE);
  await clock.advance(20 * MINUTE);
  t.true(await sessions.touch(id));
  await clock.advance(29 * MINUTE);
  t.truthy(await sessions.get(id));
  await clock.advance(2 * MINUTE);
  t.is(await sessions.get(id), undefined);
});

test('one call of a rolling session may leave its end as it is', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m' });
  const { id } = await sessions.create(EMPTY);
  await clock.advance(20 * MINUTE);
  t.is((await sessions.get(id, { rolling: false }))?.expiresInMs, 10 * MINUTE);
});

test('a session ends at its maxAge, however much it is used', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m', maxAge: '1h' });
  let { id } = await sessions.create(EMPTY);
  await clock.advance(25 * MINUTE);
  t.true(await sessions.touch(id));
  ({ id } = (await sessions.rotate(id))!);
  await clock.advance(25 * MINUTE);
  t.is((await sessions.get(id))?.expiresInMs, 10 * MINUTE);
  t.is((await sessions.update(id, EMPTY))?.expiresInMs, 10 * MINUTE);
  await clock.advance(10 * MINUTE);
  t.is(await sessions.get(id), undefined);
});

test('a login begins maxAge anew', async (t) => {
  const { sessions, clock } = open(t, { ttl: '30m', maxAge: '1h' });
  const { id } = await sessions.create(EMPTY);
  await clock.advance(25 * MINUTE);
  t.true(await sessions.touch(id));
  await clock.advance(25 * MINUTE);
  t.like(await sessions.rotate(id, { user: 'u1' }), { ageMs: 0, expiresInMs: 30 * MINUTE });
});

// --- update, rotate, destroy ------------------------------------------------------------------------------------------

test('the last update wins, and an update by a function loses none', async (t) => {
  const { sessions, others } = open(t);
  const { id } = await sessions.create(EMPTY);
  const add = (on: Sessions<Data>, item: string) => on.update(id, ({ cart }) => ({ cart: [...cart, item] }));
  await Promise.all(Array.from({ length: 10 }, (_, i) => add(i % 2 === 0 ? sessions : others, `item ${i}`)));
  t.is((await sessions.get(id))?.data.cart.length, 10);
  await sessions.update(id, { cart: ['first'] });
  const last = await others.update(id, { cart: ['last'] });
  t.deepEqual(last?.data, { cart: ['last'] });
  t.deepEqual((await sessions.get(id))?.data, { cart: ['last'] });
});

test('an update of a destroyed session does not create it again', async (t) => {
  const { sessions, others } = open(t);
  const { id } = await sessions.create(EMPTY);
  t.true(await sessions.destroy(id));
  t.false(await others.destroy(id));
  t.is(await others.update(id, { cart: ['x'] }), undefined);
  t.is(await others.update(id, (data) => data), undefined);
  t.is(await others.rotate(id, { user: 'u1' }), undefined);
  t.false(await others.touch(id));
  t.is(await sessions.get(id), undefined);
  t.deepEqual(await sessions.list('u1'), []);
});

test('what the function of an update throws is passed on, and nothing is changed', async (t) => {
  const { sessions } = open(t);
  const { id } = await sessions.create(EMPTY);
  const failed = sessions.update(id, () => {
    throw new Error('not now');
  });
  await t.throwsAsync(failed, { message: 'not now' });
  t.deepEqual((await sessions.get(id))?.data, EMPTY);
});

test('rotate gives a new id at once, and keeps the handle, the data and the user', async (t) => {
  const { sessions, others } = open(t);
  const created = await sessions.create({ cart: ['book'] }, { user: 'u1' });
  const rotated = (await sessions.rotate(created.id))!;
  t.not(rotated.id, created.id);
  t.like(rotated, { handle: created.handle, user: 'u1', data: { cart: ['book'] } });
  t.is(await others.get(created.id), undefined);
  t.is(await others.update(created.id, EMPTY), undefined);
  t.is(await others.rotate(created.id), undefined);
  t.false(await others.destroy(created.id));
  t.deepEqual((await others.get(rotated.id))?.data, { cart: ['book'] });
});

test('a login rotates, names the user, and may replace the data in the same step', async (t) => {
  const { sessions } = open(t);
  const anonymous = await sessions.create({ cart: ['book'] });
  t.is(anonymous.user, undefined);
  const loggedIn = (await sessions.rotate(anonymous.id, { user: 'u1', data: { cart: ['pen'] } }))!;
  t.like(loggedIn, { user: 'u1', data: { cart: ['pen'] } });
  t.is(await sessions.get(anonymous.id), undefined);
  t.is((await sessions.list('u1')).length, 1);
  const other = (await sessions.rotate(loggedIn.id, { user: 'u2' }))!;
  t.is(other.user, 'u2');
  t.deepEqual(await sessions.list('u1'), []);
  t.is((await sessions.list('u2')).length, 1);
});

// --- users ---------------------------------------------------------------------------------------------------------

test('list shows the valid sessions of a user without their ids', async (t) => {
  const { sessions, others, clock } = open(t, { ttl: '30m' });
  const kept = await sessions.create({ cart: ['kept'] }, { user: 'u1' });
  const ended = await others.create({ cart: ['ended'] }, { user: 'u1' });
  await sessions.create({ cart: ['other'] }, { user: 'u2' });
  t.is((await sessions.list('u1')).length, 2);
  await sessions.destroy(ended.id);
  await clock.advance(10 * MINUTE);
  const listed = await others.list('u1');
  t.deepEqual(listed, [
    { handle: kept.handle, data: { cart: ['kept'] }, ageMs: 10 * MINUTE, expiresInMs: 20 * MINUTE },
  ]);
  t.deepEqual(await sessions.list('nobody'), []);
});

test('revoke ends one session of the user, by its handle, and none of another user', async (t) => {
  const { sessions } = open(t);
  const [one, other] = await Promise.all([1, 2].map(() => sessions.create(EMPTY, { user: 'u1' })));
  t.false(await sessions.revoke('u2', one!.handle));
  t.false(await sessions.revoke('u1', one!.id));
  t.false(await sessions.revoke('', one!.handle));
  t.true(await sessions.revoke('u1', one!.handle));
  t.is(await sessions.get(one!.id), undefined);
  t.truthy(await sessions.get(other!.id));
});

test('revokeAll ends all sessions of a user in every process, and no other one', async (t) => {
  const { sessions, others } = open(t);
  const ids = await Promise.all([1, 2, 3].map(async () => (await sessions.create(EMPTY, { user: 'u1' })).id));
  const other = await sessions.create(EMPTY, { user: 'u2' });
  const anonymous = await sessions.create(EMPTY);
  await others.revokeAll('u1');
  for (const id of ids) {
    t.is(await sessions.get(id), undefined);
    t.false(await sessions.touch(id));
    t.is(await sessions.update(id, EMPTY), undefined);
    t.is(await sessions.update(id, () => EMPTY), undefined);
    t.is(await sessions.rotate(id), undefined);
    t.is(await sessions.rotate(id, { user: 'u1' }), undefined, 'a revoked session is not bound again');
  }
  t.deepEqual(await sessions.list('u1'), []);
  t.truthy(await sessions.get(other.id));
  t.truthy(await sessions.get(anonymous.id));
  const again = await sessions.create(EMPTY, { user: 'u1' });
  t.truthy(await sessions.get(again.id));
});

test('revokeAll leaves the session of the request, also when that was rotated', async (t) => {
  const { sessions } = open(t);
  const lost = await sessions.create(EMPTY, { user: 'u1' });
  const { id } = await sessions.create(EMPTY, { user: 'u1' });
  await sessions.revokeAll('u1', { except: id });
  t.is(await sessions.get(lost.id), undefined);
  t.truthy(await sessions.get(id));
  const rotated = (await sessions.rotate(id))!;
  t.truthy(await sessions.get(rotated.id));
  t.deepEqual(
    (await sessions.list('u1')).map(({ handle }) => handle),
    [rotated.handle],
  );
  await sessions.revokeAll('u1', { except: rotated.id });
  t.truthy(await sessions.get(rotated.id));
  await sessions.revokeAll('u1');
  t.is(await sessions.get(rotated.id), undefined);
});

test('revokeAll leaves no session that is not a valid one of the user', async (t) => {
  const { sessions } = open(t);
  const own = await sessions.create(EMPTY, { user: 'u1' });
  const other = await sessions.create(EMPTY, { user: 'u2' });
  await sessions.revokeAll('u1', { except: other.id });
  t.is(await sessions.get(own.id), undefined);
  t.truthy(await sessions.get(other.id));
  await sessions.revokeAll('u1', { except: own.id });
  t.is(await sessions.get(own.id), undefined);
  await sessions.revokeAll('u1', { except: 'nonsense' });
});

test('users whose names look like keys are different users', async (t) => {
  const { sessions } = open(t);
  const users = [
    'a',
    'a}',
    '{a}',
    'a:b',
    'a%3Ab',
    'A',
    ' a',
    'a\n',
    'é',
    'x'.repeat(1_000),
    'x'.repeat(1_001),
  ];
  const created = await Promise.all(users.map((user) => sessions.create(EMPTY, { user })));
  for (const [i, user] of users.entries()) {
    t.deepEqual(
      (await sessions.list(user)).map(({ handle }) => handle),
      [created[i]!.handle],
    );
    t.is((await sessions.get(created[i]!.id))?.user, user);
  }
  await sessions.revokeAll('a');
  t.is(
    (await Promise.all(created.map(({ id }) => sessions.get(id)))).filter(Boolean).length,
    users.length - 1,
  );
});

test('anything but a user is an error, not a revocation of nobody', async (t) => {
  const { sessions, openers } = open(t);
  for (const bad of [undefined, null, '', 42, {}] as unknown as string[]) {
    await t.throwsAsync(sessions.revokeAll(bad), {
      instanceOf: OptionsError,
      message: /user of revokeAll is/,
    });
    await t.throwsAsync(sessions.list(bad), { instanceOf: OptionsError, message: /user of list is/ });
    t.false(await sessions.revoke(bad, 'x'.repeat(20)));
    if (bad === undefined) continue;
    await t.throwsAsync(sessions.create(EMPTY, { user: bad }), { instanceOf: OptionsError });
  }
  t.deepEqual(openers[0]!.chaos.verbs, []);
});

// --- stores and options ---------------------------------------------------------------------------------------------

test('a store that does not answer is an error, never "not found"', async (t) => {
  const { sessions, openers } = open(t);
  const { id, handle } = await sessions.create(EMPTY, { user: 'u1' });
  const calls: readonly (() => Promise<unknown>)[] = [
    () => sessions.create(EMPTY),
    () => sessions.get(id),
    () => sessions.touch(id),
    () => sessions.update(id, EMPTY),
    () => sessions.update(id, () => EMPTY),
    () => sessions.rotate(id),
    () => sessions.destroy(id),
    () => sessions.list('u1'),
    () => sessions.revoke('u1', handle),
    () => sessions.revokeAll('u1'),
  ];
  openers[0]!.chaos.setDown(true);
  for (const call of calls) {
    const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError });
    t.false(inspect(error, { depth: 10 }).includes(id.slice(20)));
  }
  openers[0]!.chaos.heal();
  // The session is there, and only the check of its user fails.
  openers[0]!.chaos.fail('sessions.isCurrent', 'request lost', 4);
  for (const call of [calls[1]!, calls[2]!, calls[3]!, calls[5]!]) {
    await t.throwsAsync(call, { instanceOf: StoreUnavailableError });
  }
  openers[0]!.chaos.fail('sessions.bind', 'request lost', 1);
  await t.throwsAsync(sessions.create(EMPTY, { user: 'u1' }), { instanceOf: StoreUnavailableError });
  t.truthy(await sessions.get(id));
});

test('two names in one namespace have different sessions and users', async (t) => {
  const { openers } = open(t);
  const { caching } = openers[0]!;
  const staff = new Sessions<Data>(caching, { name: 'staff' });
  const customers = new Sessions<Data>(caching, { name: 'customers' });
  const session = await staff.create(EMPTY, { user: 'u1' });
  t.is(await customers.get(session.id), undefined);
  await customers.revokeAll('u1');
  t.deepEqual(await customers.list('u1'), []);
  t.truthy(await staff.get(session.id));
});

test('sessions work on a Caching that is not enabled', async (t) => {
  const caching = new Caching({ adapter: memory(), enabled: false });
  t.teardown(() => caching.close());
  const sessions = new Sessions<Data>(caching);
  const { id } = await sessions.create(EMPTY);
  t.truthy(await sessions.get(id));
});

test('invalid options are errors that name what is accepted', async (t) => {
  const caching = new Caching({ adapter: memory() });
  t.teardown(() => caching.close());
  const bad = (options: object, message: RegExp): void => {
    t.throws(() => new Sessions(caching, options), { instanceOf: OptionsError, message });
  };
  bad({ tll: '1m' }, /no option 'tll'\. It has: ttl, maxAge, name, maxValueBytes, rolling, schema/);
  bad({ ttl: 0 }, /ttl of new Sessions\(caching, \{ \.\.\. \}\) is a duration .*, and 0 was given/);
  for (const ttl of [-1, 999, NaN, 2 ** 53, 'soon', null]) bad({ ttl }, /ttl of new Sessions/);
  for (const name of ['', 'a:b', 'a{b}', 'x'.repeat(33), 1]) bad({ name }, /name of new Sessions/);
  bad({ schema: {} }, /schema of new Sessions/);
  t.throws(() => new Sessions({} as Caching), { instanceOf: OptionsError, message: /is a Caching/ });
  const older = Object.create(caching, { backend: { value: undefined } }) as Caching;
  t.throws(() => new Sessions(older), { instanceOf: OptionsError, message: /is older/ });
});
