import test, { type ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/free-port.js';
import { startCluster, startIndependent, startRedis, type RedisServer } from '../../support/servers.js';
import { admin, MAJORS, ready, refusedAtOnce } from './rig.js';
import { eventually } from '../../support/eventually.js';

const SCRIPT = fileURLToPath(new URL('./closing.js', import.meta.url));

interface Ending {
  readonly outcomes: readonly string[];
  readonly left: readonly string[];
  readonly timers: number;
}

/** Runs the script; resolves when its process has ended by itself. */
async function closing(args: readonly string[], lose?: () => Promise<void>): Promise<Ending> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
    if (lose === undefined || !output.endsWith('ready\n')) return;
    void lose().then(() => child.stdin.end('lost\n'));
  });
  if (lose === undefined) child.stdin.end();
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`Expected the process to end with 0, and it ended with ${code}: ${output}`);
  return JSON.parse(output.trim().split('\n').at(-1)!) as Ending;
}

function nothingLeft(t: ExecutionContext, ending: Ending): void {
  t.deepEqual(ending.left, []);
  t.is(ending.timers, 0);
  t.true(ending.outcomes.length >= 4, 'every call has an outcome');
  t.true(
    ending.outcomes.every((outcome) => outcome === 'E_STORE_UNAVAILABLE'),
    ending.outcomes.join(' '),
  );
}

for (const { major } of MAJORS) {
  test(`close leaves no connection or timer (ioredis ${major})`, async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    for (const when of ['used', 'at once', 'early']) {
      nothingLeft(t, await closing(['single', String(major), when, String(server.port)]));
    }
    nothingLeft(t, await closing(['single', String(major), 'early', String(await freePort())]));
  });

  test(`close leaves no connection or timer if the server is gone (ioredis ${major})`, async (t) => {
    const losses: ((server: RedisServer) => Promise<void>)[] = [
      (server) => server.kill(),
      (server) => server.pause(),
    ];
    for (const lose of losses) {
      const server = await startRedis({ local: true });
      t.teardown(() => server.stop());
      nothingLeft(
        t,
        await closing(['single', String(major), 'lost', String(server.port)], () => lose(server)),
      );
    }
  });

  test(`close leaves no connection or timer in a Cluster (ioredis ${major})`, async (t) => {
    const cluster = await startCluster(3);
    t.teardown(() => cluster.stop());
    const ports = cluster.nodes.map(({ port }) => String(port));
    for (const when of ['used', 'at once', 'early']) {
      nothingLeft(t, await closing(['cluster', String(major), when, ...ports]));
    }
    const lose = async (): Promise<void> => {
      await cluster.servers[0]!.kill();
      await cluster.servers[1]!.pause();
    };
    nothingLeft(t, await closing(['cluster', String(major), 'lost', ...ports], lose));
  });

  test(`close leaves no connection or timer with lock servers (ioredis ${major})`, async (t) => {
    const servers = await startIndependent(4, { local: true });
    t.teardown(() => Promise.all(servers.map((server) => server.stop())));
    const ports = servers.map(({ port }) => String(port));
    for (const when of ['used', 'at once', 'early']) {
      nothingLeft(t, await closing(['locks', String(major), when, ...ports]));
    }
    const lose = async (): Promise<void> => {
      await servers[0]!.kill();
      await servers[1]!.kill();
      await servers[2]!.pause();
    };
    nothingLeft(t, await closing(['locks', String(major), 'lost', ...ports], lose));
  });

  test(`the server sees all connections end (ioredis ${major})`, async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const side = admin(t, server.url);
    const pattern = new (MAJORS.find((one) => one.major === major)!.Redis)(server.url, { lazyConnect: true });
    const { backend, entries, entry, namespace } = await ready(t, pattern);
    await backend.close();
    t.is((await refusedAtOnce(entries.remove([entry('a')])))?.outcome, 'refused');
    await eventually(
      'no connection is left',
      async () => !String(await side.client('LIST')).includes(namespace),
    );
  });
}
