import test from 'ava';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { OptionsError } from '../../../../src/core/shared/errors.js';
import { redisForFile } from '../../../support/servers.js';
import { admin, ready, store } from '../rig.js';

const server = redisForFile(test, { args: ['--databases', '4'] });

test('the options of an ioredis client are a target too', async (t) => {
  const { host, port } = server();
  const { entries, entry } = await ready(t, { host, port, keyPrefix: 'mine:' });
  await store(entries, entry('a'));
  t.is(await admin(t, server().url).exists(`mine:${entry('a')}`), 1);
});

test('a client of either major fits without a cast', async (t) => {
  const url = server().url;
  for (const target of [new Redis(url, { lazyConnect: true }), new Redis5(url, { lazyConnect: true })]) {
    t.is(ioredis(target).name, 'ioredis');
  }
  for (const target of [
    new Cluster([url], { lazyConnect: true }),
    new Cluster5([url], { lazyConnect: true }),
  ]) {
    t.is(ioredis(target).name, 'ioredis');
  }
});

test('an invalid target is refused by ioredis()', (t) => {
  const bad: readonly [unknown, RegExp][] = [
    ['', /'' was given/],
    ['http://user:secret@localhost', /'http:\/\/user:\*\*\*@localhost' was given/],
    ['memcached://localhost', /was given/],
    ['redis://user:secret@bad host:port:9', /ioredis rejected 'redis:\/\/user:\*\*\*@/],
    [undefined, /undefined was given/],
    [null, /null was given/],
    [6379, /6379 was given/],
    [['redis://localhost'], /an array was given/],
    [new Redis({ lazyConnect: true, keyPrefix: Buffer.from('x') as unknown as string }), /keyPrefix/],
  ];
  for (const [target, message] of bad) {
    const error = t.throws(() => ioredis(target as string), { instanceOf: OptionsError, message });
    t.false(error.message.includes('secret'));
  }
});
