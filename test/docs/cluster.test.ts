import test from 'ava';
import { startCluster } from '../support/servers.js';
import { blocksOf, outputOf } from './code-blocks.js';
import { compileProject } from './compiled-project.js';

test('the program of docs/cluster.md prints on a Cluster what the page says', async (t) => {
  t.timeout(60_000);
  const [code = ''] = blocksOf('cluster.md');
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  const project = await compileProject({ 'orders.ts': code });
  t.teardown(() => project.remove());
  const nodes = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
  const result = await project.run('orders.js', { REDIS_NODES: nodes });
  t.deepEqual(result, { exitCode: 0, output: outputOf('cluster.md') });
});
