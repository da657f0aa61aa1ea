import test from 'ava';
import { redisForFile } from '../support/servers.js';
import { interleavings } from './interleavings.js';
import { twoProcesses } from './processes.js';

const server = redisForFile(test);

for (const { title, waitsForTtl = false, play } of interleavings) {
  test.serial(`${title} (two processes on Redis)`, async (t) => {
    const place = await twoProcesses(server().url, waitsForTtl ? 1_000 : undefined);
    t.teardown(() => place.close());
    await play(t, place);
  });
}
