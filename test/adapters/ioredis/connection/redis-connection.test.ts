import test from 'ava';
import { StoreUnavailableError } from '../../../../src/core/shared/errors.js';
import { redisForFile } from '../../../support/servers.js';
import { admin, ready, store } from '../rig.js';

const server = redisForFile(test, { args: ['--databases', '4'] });

test('connections have a client name', async (t) => {
  const { namespace } = await ready(t, server().url);
  const clients = (await admin(t, server().url).client('LIST')) as string;
  t.true(clients.includes(` name=cachement:${namespace}:commands `));
  t.true(clients.includes(` name=cachement:${namespace}:subscriber `));
});

test('exactly two connections are opened', async (t) => {
  const side = admin(t, server().url);
  const { namespace, entries, entry } = await ready(t, server().url);
  await Promise.all(Array.from({ length: 100 }, (_, i) => store(entries, entry(String(i)))));
  const clients = (await side.client('LIST')) as string;
  t.is(clients.split('\n').filter((line) => line.includes(`name=cachement:${namespace}:`)).length, 2);
});

test('errors name the command and the server, without the password', async (t) => {
  const side = admin(t, server().url);
  await side.call('ACL', 'SETUSER', 'named', 'on', '>secret', '~*', '&*', '+@all', '-mget');
  const { host, port } = server();
  const rig = await ready(t, `redis://named:secret@${host}:${port}`).catch((error: Error) => error);
  t.true(rig instanceof Error);
  if (!(rig instanceof Error)) return;
  t.true(rig.message.includes(`redis://named:***@${host}:${port}`));
  t.false(JSON.stringify([rig.message, rig.stack, String(rig.cause)]).includes('secret'));
  t.false(rig instanceof StoreUnavailableError);
});
