import test, { type ExecutionContext } from 'ava';
import { fakeClock } from '../../../../src/testing/fake-clock.js';
import { rateSubject } from '../../../../src/core/keys/store-keys.js';
import { eventually } from '../../../support/eventually.js';
import { redisForFile } from '../../../support/servers.js';
import { admin, callsOf, endLoad, ready, type Rig, type RigOptions } from '../rig.js';

const server = redisForFile(test);

function rig(t: ExecutionContext, options?: RigOptions): Promise<Rig> {
  return ready(t, server().url, options);
}

// One after the other: they count the commands of the server.
test.serial('a process receives the wakeups of the names that it waits for, and no others', async (t) => {
  const waiting = await rig(t);
  const other = await rig(t, { namespace: waiting.namespace });
  await waiting.listening(waiting.entry('a'));
  await other.listening(other.entry('last'));
  for (const key of ['a', 'b', 'last']) await endLoad(other, key);
  await eventually('both have received one', () => waiting.woken.length > 0 && other.woken.length > 0);
  t.deepEqual([waiting.woken, other.woken], [[waiting.entry('a')], [other.entry('last')]]);
});

test.serial(
  'what ended before the subscription is made up for: the name is woken as soon as its messages are received',
  async (t) => {
    const { backend, entry, woken } = await rig(t);
    backend.listen!(entry('a'));
    await eventually('it is woken', () => woken.length > 0);
    t.deepEqual(woken, [entry('a')]);
  },
);

test.serial('the subscription lasts as long as a call waits, and a second longer', async (t) => {
  const clock = fakeClock();
  const { backend, entry, namespace, woken } = await rig(t, { clock });
  const side = admin(t, server().url);
  const isSubscribed = async (): Promise<boolean> =>
    (await side.pubsub('NUMSUB', `${namespace}:wake:${entry('a')}`))[1] === 1;
  const first = backend.listen!(entry('a'));
  const second = backend.listen!(entry('a'));
  await eventually('it is subscribed', () => woken.length > 0);
  const before = await callsOf(side, 'subscribe');
  first();
  await clock.advance(5_000);
  t.true(await isSubscribed());
  second();
  await clock.advance(999);
  t.true(await isSubscribed());
  const third = backend.listen!(entry('a'));
  await clock.advance(5_000);
  t.true(await isSubscribed());
  t.is(await callsOf(side, 'subscribe'), before, 'no other subscription was needed');
  third();
  await clock.advance(1_000);
  await eventually('it is not subscribed', async () => !(await isSubscribed()));
});

test.serial('a new connection subscribes to all names again, and wakes them', async (t) => {
  const { entry, listening, namespace, woken } = await rig(t);
  const side = admin(t, server().url);
  await listening(entry('a'), entry('b'));
  const list = String(await side.client('LIST')).split('\n');
  const line = list.find((one) => one.includes(`name=cachement:${namespace}:subscriber`))!;
  await side.client('KILL', 'ID', /^id=(\d+)/.exec(line)![1]!);
  await eventually('both are woken', () => woken.length === 2);
  t.deepEqual([...woken].sort(), [entry('a'), entry('b')]);
});

test.serial('a user without the right to the channels of names receives all other messages', async (t) => {
  const side = admin(t, server().url);
  const namespace = `wakeups-${process.pid}-acl`;
  await side.call(
    ...(['ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '+@all', 'resetchannels'] as const),
    ...[`&${namespace}:wake`, `&${namespace}:wake:ready`],
  );
  const target = { host: server().host, port: server().port, username: 'limited', password: 'pw' };
  const { backend, entry, woken } = await ready(t, target, { namespace });
  const before = await callsOf(side, 'subscribe');
  backend.listen!(entry('a'));
  const isRefused = async (): Promise<boolean> => String(await side.call('ACL', 'LOG')).includes(namespace);
  await eventually('the server has refused it', isRefused);
  const subject = rateSubject(namespace, 'k');
  await backend.rates.reset(subject, []);
  await eventually('the message', () => woken.length > 0);
  t.deepEqual(woken, [subject]);
  t.is(await callsOf(side, 'subscribe'), before, 'the connection was not replaced');
});
