// Runs in a process of its own. Reads ids of containers, one a line, until the test process that writes them
// ends, whatever ends it; then removes those that are still there.
import { text } from 'node:stream/consumers';

const ids = (await text(process.stdin)).split('\n').filter((line) => line !== '');
const { getContainerRuntimeClient } = await import('testcontainers');
const client = await getContainerRuntimeClient();
await Promise.allSettled(ids.map((id) => client.container.getById(id).remove({ force: true, v: true })));
