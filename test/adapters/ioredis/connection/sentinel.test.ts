import test from 'ava';
import { eventually } from '../../../support/eventually.js';
import { startSentinel } from '../../../support/servers.js';
import { startTlsProxy } from '../../../support/tls-proxy.js';
import { admin, endLoad, MAJORS, ready, store } from '../rig.js';

for (const { major, Redis } of MAJORS) {
  test(`after a failover the new master is used for commands and wakeups (ioredis ${major})`, async (t) => {
    const setup = await startSentinel();
    t.teardown(() => setup.stop());
    const { sentinels, name, primary, replica } = setup;
    const pattern = new Redis({ sentinels: [...sentinels], name, lazyConnect: true });
    const rig = await ready(t, pattern, { timeout: '2s' });
    const { entries, entry, listening, changes, woken } = rig;
    await listening(entry('c'));
    await store(entries, entry('a'));
    const side = admin(t, replica.url);
    await eventually('the replica has it', async () => (await side.exists(entry('a'))) === 1);

    await primary.kill();
    await eventually('the new master serves', async () => {
      const stored = await store(entries, entry('b')).then(
        () => true,
        () => false,
      );
      return stored && (await side.exists(entry('b'))) === 1;
    });
    t.is(changes.at(-1), 'recovered');
    t.true((await side.info('replication')).includes('role:master'));

    await eventually('wakes arrive again', async () => {
      await endLoad(rig, 'c');
      return woken.includes(entry('c'));
    });
  });

  test(`after SENTINEL FAILOVER commands and wakeups use the new primary, although the old one still takes them (ioredis ${major}, sentinel with TLS and a password)`, async (t) => {
    const setup = await startSentinel({ password: 'secret' });
    t.teardown(() => setup.stop());
    const { name, primary, replica, sentinel } = setup;
    const proxy = await startTlsProxy(sentinel.port);
    t.teardown(() => proxy.stop());
    const pattern = new Redis({
      sentinels: [{ host: sentinel.host, port: proxy.port }],
      name,
      sentinelPassword: 'secret',
      sentinelTLS: { ca: proxy.ca },
      lazyConnect: true,
    });
    const rig = await ready(t, pattern, { timeout: '2s' });
    const { entries, entry, listening, namespace, woken } = rig;
    await listening(entry('c'));
    await store(entries, entry('a'));
    const [old, fresh] = [admin(t, primary.url), admin(t, replica.url)];
    await admin(t, sentinel.url).call('SENTINEL', 'FAILOVER', name);

    await eventually('the replica is the primary', async () => (await fresh.role())[0] === 'master');
    let stored = 0;
    await eventually('the new primary has what is stored from then on', async () => {
      const key = entry(`after-${++stored}`);
      await store(entries, key).catch(() => {});
      return (await fresh.exists(key)) === 1;
    });
    await eventually('the new primary has the subscription', async () => {
      return (await fresh.pubsub('NUMSUB', `${namespace}:wake:${entry('c')}`))[1] === 1;
    });
    await eventually('wakes arrive again', async () => {
      await endLoad(rig, 'c');
      return woken.includes(entry('c'));
    });
    // A sentinel waits for eight seconds before it makes it a replica, which ends its connections.
    t.is((await old.role())[0], 'master');
  });
}
