import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Worker } from '../../support/process.js';
import type { Direction, Proxy } from '../../support/proxy.js';
import type { RedisServer } from '../../support/servers.js';

export interface FaultTargets {
  readonly server: RedisServer;
  /** One for each process, between it and the server. */
  readonly proxies: readonly Proxy[];
  readonly workers: readonly Pick<Worker<object>, 'pause' | 'resume'>[];
}

/**
 * The names that the connections of the messages, and those of the commands, give themselves. In full: the commands name the
 * channel of the messages, too.
 */
const CHANGES = 'cachement:history:changes';
const COMMANDS = 'cachement:history:commands';
/** At most so many faults at a time. */
const AT_ONCE = 2;
/** Those that let messages and replies overtake each other while most calls still reach the store: so often more. */
const OFTEN = [
  { name: 'latency with jitter', times: 4 },
  { name: 'messages held', times: 2 },
  { name: 'commands held', times: 1 },
];
const DIRECTIONS: readonly Direction[] = ['upstream', 'downstream', 'both'];

/**
 * Disturbs the processes, their connections and the server at random, until the signal aborts. Everything works again when
 * it has resolved.
 *
 * @param pauseMs the longest pause between two faults. The shortest is none
 * @returns how often it has caused each fault
 */
export async function injectFaults(
  { server, proxies, workers }: FaultTargets,
  pauseMs: number,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  // Past the proxies. It waits while the server is paused.
  const side = new Redis(server.url, { maxRetriesPerRequest: null });
  side.on('error', () => {});
  const wait = (ms: number): Promise<unknown> => delay(ms, undefined, { signal }).catch(() => {});
  const upTo = (ms: number): Promise<unknown> => wait(Math.random() * ms);
  const between = (least: number, most: number): Promise<unknown> =>
    wait(least + Math.random() * (most - least));
  const proxy = (): Proxy => pick(proxies);

  /** Most end by themselves. The others last for a random time, some longer than the L1 trusts what it knows. */
  const faults: Record<string, () => Promise<unknown>> = {
    'connections cut': async () => proxy().resetConnections(),
    'messages held': async () => {
      const undo = proxy().timeoutOf(CHANGES, pick(DIRECTIONS));
      await between(300, 3_000);
      await undo();
    },
    'commands held': async () => {
      const undo = proxy().timeoutOf(COMMANDS, pick(DIRECTIONS));
      // Shorter than the timeout of a command, mostly: then the reply counts, and messages have overtaken it.
      await upTo(400);
      await undo();
    },
    'everything held': async () => {
      const undo = proxy().timeout(pick(DIRECTIONS));
      await upTo(1_500);
      await undo();
    },
    'latency with jitter': async () => {
      const options = { jitter: Math.ceil(Math.random() * 60), direction: pick(DIRECTIONS) };
      const undo = proxy().latency(0, options);
      await between(500, 3_000);
      await undo();
    },
    unreachable: async () => {
      const undo = proxy().down();
      await upTo(1_000);
      await undo();
    },
    'reply lost': async () => {
      const { happened, undo } = proxy().loseNextReply();
      await Promise.race([happened, wait(500)]);
      await undo();
    },
    'subscribers killed': async () => {
      const clients = String(await side.client('LIST')).split('\n');
      const ids = clients
        .filter((line) => line.includes(CHANGES))
        .map((line) => /\bid=(\d+)/.exec(line)![1]!);
      const killed = Math.random() < 0.5 ? ids : ids.slice(0, 1);
      await Promise.all(killed.map((id) => side.client('KILL', 'ID', id)));
    },
    'server paused': async () => {
      await server.pause();
      await upTo(1_500);
      await server.resume();
    },
    'process paused': async () => {
      const worker = pick(workers);
      worker.pause();
      await upTo(2_000);
      worker.resume();
    },
    FLUSHALL: async () => side.flushall(),
    'SCRIPT FLUSH': async () => side.script('FLUSH'),
  };

  const names = [
    ...Object.keys(faults),
    ...OFTEN.flatMap(({ name, times }) => Array<string>(times).fill(name)),
  ];

  const counts: Record<string, number> = {};
  const inject = async (): Promise<void> => {
    while (!signal.aborted) {
      const name = pick(names);
      counts[name] = (counts[name] ?? 0) + 1;
      await faults[name]!();
      await upTo(pauseMs);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, inject));
  await Promise.all(proxies.map((one) => one.heal()));
  side.disconnect();
  return counts;
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}
