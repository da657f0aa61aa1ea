import { startWorker } from './process.js';
import { startRedis } from './servers.js';

// A stand-in for a test process that ends without stopping what it started: see servers.test.ts.
const local = await startRedis({ local: true });
const paused = await startRedis({ local: true });
const usual = await startRedis();
const script = new URL('./test-worker.js', import.meta.url);
const worker = await startWorker(script, {});
const pausedWorker = await startWorker(script, {});
await paused.pause();
pausedWorker.pause();

process.on('SIGUSR2', () => process.exit());
setInterval(() => {}, 60_000);

const urls = [local.url, paused.url, usual.url];
// A container has no process id here; its address tells that it is gone.
const pids = [local.pid, paused.pid, worker.pid, pausedWorker.pid].filter((pid) => pid !== undefined);
process.stdout.write(`${JSON.stringify({ urls, pids })}\n`);
