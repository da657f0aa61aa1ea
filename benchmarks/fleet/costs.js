/**
 * What one command, one round trip and one message cost: processor time of the real Redis, and of a process that listens. It
 * depends less on what else the machine does than elapsed time.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';
import { startMember } from '../support/members.js';
import { median } from '../support/statistics.js';

const NAMESPACE = 'costs';
const LISTENERS = 40;
const BURST = 50;
/** A busy machine must not turn a call into one without Redis. */
const PATIENT = { timeout: '2s' };

/** The processor time of the server so far, in ms, and the execution time of its commands, in ms, with their number. */
export async function serverWork(client) {
  const cpu = await client.info('cpu');
  const seconds = (name) => Number(new RegExp(`${name}:([0-9.]+)`).exec(cpu)?.[1]);
  const stats = await client.info('stats');
  const commands = {};
  for (const [, name, calls, usec] of (await client.info('commandstats')).matchAll(
    /cmdstat_(\S+?):calls=(\d+),usec=(\d+)/g,
  )) {
    commands[name] = { calls: Number(calls), ms: Number(usec) / 1_000 };
  }
  return {
    ms: (seconds('used_cpu_user_main_thread') + seconds('used_cpu_sys_main_thread')) * 1_000,
    reads: Number(/total_reads_processed:(\d+)/.exec(stats)?.[1]),
    commands,
  };
}

export function workBetween(before, after) {
  const names = Object.keys(after.commands);
  const none = { calls: 0, ms: 0 };
  return {
    ms: after.ms - before.ms,
    reads: after.reads - before.reads,
    commands: Object.fromEntries(
      names.map((name) => [
        name,
        {
          calls: after.commands[name].calls - (before.commands[name] ?? none).calls,
          ms: after.commands[name].ms - (before.commands[name] ?? none).ms,
        },
      ]),
    ),
  };
}

/** Runs `act` `times` times, one after the other. @returns per run: processor time of the server, and what it executed */
async function each(client, times, act) {
  const before = await serverWork(client);
  for (let i = 0; i < times; i += 1) await act(i);
  const { ms, commands } = workBetween(before, await serverWork(client));
  const execution = (name) => (commands[name]?.ms ?? 0) / (commands[name]?.calls || 1);
  const calls = (name) => (commands[name]?.calls ?? 0) / times;
  return { ms: ms / times, execution, calls };
}

/** @returns the median of several rounds, by field */
async function rounds(count, measure) {
  const all = [];
  for (let i = 0; i < count; i += 1) all.push(await measure(i));
  return Object.fromEntries(Object.keys(all[0]).map((name) => [name, median(all.map((one) => one[name]))]));
}

export async function measureCosts({ client, url }, quick, say) {
  const times = quick ? 500 : 3_000;
  const caching = new Caching({
    adapter: ioredis(url, PATIENT),
    namespace: NAMESPACE,
    defaults: { ttl: '1h', storeTimeout: '2s' },
  });
  await caching.ready();
  try {
    say('the cost of a call');
    const calls = await rounds(quick ? 3 : 5, (round) => measureCalls(caching, client, times, round));
    say('the cost of a message');
    const messages = await rounds(quick ? 3 : 5, () => measureMessages(client, url, times));
    const listening = await measureListening(client, url, quick ? 1_000 : 4_000);
    const { hitMs, mgetMs, mget100Ms, scriptMs, removeMs } = calls;
    const mgetKeyMs = Math.max(0, mget100Ms - mgetMs) / 98;
    const writeMs = Math.max(0, messages.singleMs - messages.burstMs) / (1 - 1 / BURST);
    const appendMs = Math.max(0, messages.singleMs - writeMs);
    return {
      operations: {
        hit: { serverMs: calls.hitMs, clientMs: calls.hitClientMs },
        miss: { serverMs: calls.missMs, clientMs: calls.missClientMs },
        invalidation: { serverMs: calls.invalidationMs, clientMs: calls.invalidationClientMs },
        lock: { serverMs: calls.lockMs, clientMs: calls.lockClientMs },
      },
      server: {
        writeMs,
        // A hit is one MGET of two keys.
        readMs: Math.max(0, hitMs - mgetMs - writeMs),
        mgetMs,
        mgetKeyMs,
        scriptMs,
        removeMs,
        publishMs: messages.publishMs,
        appendMs,
      },
      client: { replyMs: calls.hitClientMs, ...listening },
    };
  } finally {
    await caching.close();
  }
}

async function measureCalls(caching, client, times, round) {
  const { cache, locks } = caching;
  const load = async () => ({ rows: 10 });
  const key = (i) => `${round}:${i}`;
  const clientMs = async (measure) => {
    const before = process.cpuUsage();
    const figures = await measure();
    const { user, system } = process.cpuUsage(before);
    return { ...figures, clientMs: (user + system) / 1_000 / times };
  };
  await cache.getOrSet('warm', load);
  await cache.invalidate({ keys: ['warm'] });
  const miss = await clientMs(() => each(client, times, (i) => cache.getOrSet(key(i), load)));
  const hit = await clientMs(() => each(client, times, (i) => cache.getOrSet(key(i), load)));
  const names = Array.from({ length: 100 }, (_, i) => `${NAMESPACE}:cache:${key(i)}`);
  const hundred = await each(client, times, () => client.mget(names));
  const invalidation = await clientMs(() => each(client, times, (i) => cache.invalidate({ keys: [key(i)] })));
  const lock = await clientMs(() => each(client, times, (i) => locks.withLease(key(i), {}, async () => {})));
  return {
    mgetMs: hit.execution('mget'),
    mget100Ms: hundred.execution('mget'),
    scriptMs: miss.execution('evalsha'),
    removeMs: invalidation.execution('evalsha'),
    hitMs: hit.ms,
    hitClientMs: hit.clientMs,
    missMs: miss.ms,
    missClientMs: miss.clientMs,
    invalidationMs: invalidation.ms,
    invalidationClientMs: invalidation.clientMs,
    lockMs: lock.ms,
    lockClientMs: lock.clientMs,
  };
}

/** For each listener and message: alone, and with others in one write of the publisher. */
async function measureMessages(client, url, times) {
  const payload = `${NAMESPACE}:cache:key`;
  const publish = () => client.publish('heard', payload);
  const burst = () =>
    client.pipeline(Array.from({ length: BURST }, () => ['publish', 'heard', payload])).exec();
  const unheard = await each(client, times, publish);
  const unheardBurst = await each(client, times / BURST, burst);
  const { port, hostname } = new URL(url);
  const sockets = Array.from({ length: LISTENERS }, () => connect(Number(port), hostname));
  for (const socket of sockets) {
    socket.write('SUBSCRIBE heard\r\n');
    await once(socket, 'data');
    socket.on('data', () => {});
  }
  const heard = await each(client, times / 4, publish);
  const heardBurst = await each(client, times / BURST, burst);
  for (const socket of sockets) socket.destroy();
  return {
    publishMs: unheard.execution('publish'),
    singleMs: (heard.ms - unheard.ms) / LISTENERS,
    burstMs: (heardBurst.ms - unheardBurst.ms) / BURST / LISTENERS,
  };
}

/** The processor time of a process that hears a message that does not concern it: alone, and with others in one chunk. */
async function measureListening(client, url, messages) {
  const listener = await startMember(new URL('member.js', import.meta.url).href);
  try {
    await listener.call('open', { url, namespace: NAMESPACE, l1: true, timeoutMs: 2_000 });
    const heard = async (payload, channel, send) => {
      await listener.call('reset');
      await send(channel, payload);
      await delay(100);
      const { cpuMs, messages } = await listener.call('report');
      return { perMessage: cpuMs / messages, messages };
    };
    const singly = async (channel, payload) => {
      for (let i = 0; i < messages / 2; i += 1) {
        await client.publish(channel, payload);
        await delay(1);
      }
    };
    const bursts = async (channel, payload) => {
      for (let i = 0; i < (messages * 4) / 100; i += 1) {
        await client.pipeline(Array.from({ length: 100 }, () => ['publish', channel, payload])).exec();
        await delay(1);
      }
    };
    const wake = [`${NAMESPACE}:cache:key`, `${NAMESPACE}:wake`];
    const change = [await changeMessage(client, url), `${NAMESPACE}:changes`];
    await heard(...wake, bursts);
    const single = await heard(...wake, singly);
    const burst = await heard(...wake, bursts);
    const changes = await heard(...change, bursts);
    const messageMs = Math.max(burst.perMessage, changes.perMessage);
    return {
      messageMs,
      chunkMs: Math.max(0, single.perMessage - messageMs),
      wakeInBurstMs: burst.perMessage,
      changeInBurstMs: changes.perMessage,
      singleMs: single.perMessage,
    };
  } finally {
    await listener.stop();
  }
}

/** What an invalidation publishes. */
async function changeMessage(client, url) {
  const subscriber = client.duplicate();
  const caching = new Caching({ adapter: ioredis(url), namespace: NAMESPACE });
  try {
    await caching.ready();
    await subscriber.subscribe(`${NAMESPACE}:changes`);
    const heard = once(subscriber, 'message');
    await caching.cache.invalidate({ keys: ['key'] });
    return (await heard)[1];
  } finally {
    subscriber.disconnect();
    await caching.close();
  }
}
