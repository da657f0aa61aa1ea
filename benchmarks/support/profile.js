/** Where the processor time of this process goes. */
import { Session } from 'node:inspector/promises';

/** The kinds of functions, by the end of their file, or by their name if they have no file. */
const KINDS = [
  ['the socket: write', /\((?:writev|write\w*String|writeBuffer|shutdown)\)$/],
  ['garbage collector', /\(\(garbage collector\)\)$/],
  ['core', /dist\/shared\/core\.js/],
  ['adapter', /dist\/ioredis\.js/],
  ['ioredis', /node_modules\/(?:ioredis|@ioredis|denque|standard-as-callback|redis-errors)\//],
  ['the benchmark', /benchmarks\//],
];
/** Streams, sockets, timers, promises, crypto. */
const OTHER = 'Node.js';
const NOT_COUNTED = /^\((?:idle|program|root)\)$/;

const session = new Session();

export async function startProfile() {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 100 });
  await session.post('Profiler.start');
}

/** @returns {Promise<Record<string, number>>} the share of each kind of function, 0 to 1, largest first */
export async function stopProfile() {
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const nodes = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map();
  let total = 0;
  profile.samples.forEach((id, i) => {
    const { functionName, url } = nodes.get(id);
    if (NOT_COUNTED.test(functionName)) return;
    const kind = kindOf(url === '' ? `(${functionName})` : url);
    const time = Math.max(0, profile.timeDeltas[i]);
    times.set(kind, (times.get(kind) ?? 0) + time);
    total += time;
  });
  return Object.fromEntries(
    [...times].toSorted((a, b) => b[1] - a[1]).map(([kind, time]) => [kind, time / total]),
  );
}

function kindOf(text) {
  return KINDS.find(([, pattern]) => pattern.test(text))?.[0] ?? OTHER;
}
