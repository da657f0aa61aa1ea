import { Caching, StoreUnavailableError } from '../../dist/index.js';
import { NAMESPACE } from './simulated-redis.js';

/** The most keys in one command, as in the adapter. */
const MAX_KEYS = 512;
/** After this time the adapter reads the clock of the server again. */
const CLOCK_AGE_MS = 500;
/** How long it listens to the wakes of a name after its last wait, as in the adapter. */
const LINGER_MS = 1_000;
const VERBS = ['lease', 'extend', 'fill', 'release', 'getOrCreateNonces', 'removeNonces', 'mark', 'unmark'];

/**
 * A real `Caching` whose adapter asks the simulated Redis. Its processor takes one thing after the other: replies, and messages.
 * Calls of one instant leave as one round trip, reads and removals among them as one command, as in the adapter.
 */
export class SimulatedProcess {
  caching;
  hasL1;
  messages = 0;
  busyMs = 0;
  messagesMs = 0;
  #time;
  #redis;
  #costs;
  #host;
  #outbox = [];
  #freeAt = 0;
  #clockReadAt = -Infinity;
  /** Keys whose wake may concern a call of this process, where it hears all. */
  #asked = new Set();
  /** By name: how many calls wait for it, and the timer that ends the subscription. */
  #awaited = new Map();
  #toFlush;
  #timeoutMs;

  /**
   * @param {{ l1: boolean, timeoutMs: number, random: () => number, toFlush: Set<SimulatedProcess> }} setup `toFlush`: those
   *   that have something to send
   */
  constructor(time, redis, costs, { l1, timeoutMs, random, toFlush }) {
    this.#time = time;
    this.#redis = redis;
    this.#costs = costs.client;
    this.#toFlush = toFlush;
    this.#timeoutMs = timeoutMs;
    this.hasL1 = l1;
    const verbs = VERBS.map((verb) => [verb, (...args) => this.#ask('script', verb, args, args[0])]);
    const entries = {
      ...Object.fromEntries(verbs),
      read: (key, nonces, timeout) => {
        this.#readClock(key);
        return this.#ask('mget', 'read', [key, nonces], key, nonces.length + 1, timeout);
      },
      nonces: (nonces, timeout) => this.#ask('mget', 'nonces', [nonces], undefined, nonces.length, timeout),
      remove: (keys) => this.#ask('remove', 'remove', [keys]),
    };
    const open = (host) => {
      this.#host = host;
      host.changes?.listener.confirmed(Infinity);
      const listen = redis.hasChannelsByName ? (name) => this.#listen(name) : undefined;
      return { entries, listen, ready: async () => {}, close: async () => {} };
    };
    const clock = {
      now: () => time.now,
      random,
      after: (ms, task) => time.at(time.now + Math.max(0, ms), task),
    };
    this.caching = new Caching({
      adapter: { name: 'simulated', open },
      namespace: NAMESPACE,
      clock,
      l1,
      defaults: { ttl: '1h', storeTimeout: timeoutMs * 1.25 },
    });
    redis.connect(this);
  }

  #ask(kind, verb, args, key, keys = 1, timeout = Infinity) {
    if (verb === 'lease') this.#asked.add(key);
    return new Promise((resolve, reject) => {
      const request = { kind, verb, args, key, keys, resolve };
      const late = () => reject(new StoreUnavailableError(`${verb}: no reply in time.`, 'unknown'));
      request.timer = this.#time.at(this.#time.now + Math.min(timeout, this.#timeoutMs), late);
      this.#outbox.push(request);
      this.#toFlush.add(this);
    });
  }

  /** An L1 must know the clock of the server. */
  #readClock(key) {
    if (!this.hasL1 || this.#time.now - this.#clockReadAt < CLOCK_AGE_MS) return;
    this.#clockReadAt = this.#time.now;
    this.#ask('script', 'time', [key]).catch(() => {});
  }

  /** Sends what the calls of this instant have asked for. */
  flush() {
    const requests = this.#outbox;
    this.#outbox = [];
    const of = (wanted) => requests.filter(({ kind }) => kind === wanted);
    const [reads, removals] = [of('mget'), of('remove')];
    const commands = of('script').map((request) => ({
      ...{ kind: 'script', verb: request.verb, key: request.key, requests: [request] },
      execute: async (entries) => [await entries[request.verb](...request.args)],
    }));
    for (let i = 0; i < reads.length; i += MAX_KEYS) commands.push(readOf(reads.slice(i, i + MAX_KEYS)));
    if (removals.length > 0) commands.push(removalOf(removals));
    this.#redis.send({ by: this, commands });
  }

  /** @param {number} arrival when the replies of a round trip arrive */
  receive(arrival, commands) {
    const at = this.#work(arrival, this.#costs.replyMs);
    void Promise.all(commands.map(({ reply }) => reply)).then((replies) => {
      this.#time.at(at, () => {
        for (const [i, { requests, done }] of commands.entries()) {
          done?.();
          for (const [j, { timer, resolve }] of requests.entries()) {
            timer.cancel();
            resolve(replies[i][j]);
          }
        }
      });
    });
  }

  #listen(name) {
    let awaited = this.#awaited.get(name);
    if (awaited === undefined) {
      awaited = { calls: 0, end: undefined };
      this.#awaited.set(name, awaited);
      // What has ended before is made up for.
      this.#subscribe('subscribe', name, () => this.#host.wake(name));
    }
    awaited.calls += 1;
    awaited.end?.cancel();
    return () => {
      awaited.calls -= 1;
      if (awaited.calls > 0) return;
      awaited.end = this.#time.at(this.#time.now + LINGER_MS, () => {
        this.#awaited.delete(name);
        this.#subscribe('unsubscribe', name);
      });
    };
  }

  /** On a connection of its own. */
  #subscribe(kind, key, done = undefined) {
    this.#redis.send({ by: this, commands: [{ kind, key, done, requests: [], execute: async () => [] }] });
  }

  /** @param messages that arrive together */
  hear(arrival, messages) {
    const { chunkMs, messageMs } = this.#costs;
    // What arrives while it works is read together afterwards.
    const ms = (this.#freeAt > arrival ? 0 : chunkMs) + messageMs * messages.length;
    const at = this.#work(arrival, ms);
    this.messages += messages.length;
    this.messagesMs += ms;
    for (const { channel, keys, by } of messages) {
      if (channel === 'wake') {
        if (this.#redis.hasChannelsByName || this.#asked.has(keys[0]))
          this.#time.at(at, () => this.#host.wake(keys[0]));
      } else if (by !== this) {
        this.#time.at(at, () => this.#host.changes.listener.changed(keys), true);
      }
    }
  }

  /** @returns when that is done */
  #work(arrival, ms) {
    this.#freeAt = Math.max(this.#freeAt, arrival) + ms;
    this.busyMs += ms;
    return this.#freeAt;
  }
}

function readOf(requests) {
  const names = new Set(requests.flatMap(({ args }) => args.flat()));
  return {
    ...{ kind: 'mget', requests, keys: names.size },
    execute: (entries) => Promise.all(requests.map(({ verb, args }) => entries[verb](...args))),
  };
}

function removalOf(requests) {
  const keys = [...new Set(requests.flatMap(({ args: [keys] }) => keys))];
  return {
    ...{ kind: 'remove', requests },
    execute: async (entries) => {
      await entries.remove(keys);
      return [];
    },
  };
}
