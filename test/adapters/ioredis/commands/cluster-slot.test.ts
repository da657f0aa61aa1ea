import test from 'ava';
import { slotOf } from '../../../../src/adapters/ioredis/commands/cluster-slot.js';
import { startCluster } from '../../../support/servers.js';
import { admin } from '../rig.js';

test('CROSSSLOT: key slots equal those of Redis', async (t) => {
  const cluster = await startCluster(1);
  t.teardown(() => cluster.stop());
  const side = admin(t, cluster.servers[0]!.url);
  const keys = [
    '',
    'a',
    '123456789',
    'a{b}c',
    '{}a',
    '{',
    '}{',
    '{a}{b}',
    'a{b',
    'a{}{c}',
    '{é☃}x',
    'ü',
    'shop:tag:{shop}:x',
    'x'.repeat(341),
    '☃'.repeat(341),
    '☃'.repeat(342),
    `a{${'é'.repeat(2_000)}}`,
  ];
  for (const key of keys) t.is(slotOf(key), Number(await side.call('CLUSTER', 'KEYSLOT', key)), key);
});
