import { memory } from '../../dist/memory.js';

export const NAMESPACE = 'fleet';

/**
 * One Redis: the store of memory(), behind one thread. What has arrived when a turn begins is executed in that turn, one command
 * after the other. At its end each client that has something to receive gets one write, as in the event loop of Redis.
 */
export class SimulatedRedis {
  /** How long the thread has worked, in ms, and for what. */
  work = { busyMs: 0, messagesMs: 0 };
  commands = { mget: 0, script: 0, remove: 0, subscribe: 0, unsubscribe: 0 };
  roundTrips = 0;
  published = { wake: 0, changes: 0 };
  #time;
  #costs;
  #delayMs;
  #wakes;
  #entries;
  #processes = [];
  #queue = [];
  #isBusy = false;
  /** By name: the processes that listen to its wakes. */
  #channels = new Map();
  #heard = [];

  /**
   * @param costs of costs.js
   * @param {{ delayMs: number, wakes: 'by name' | 'one channel' }} setup `delayMs`: one way. `wakes`: their channels. By name, as
   * in the adapter: a process listens to the channel of a key while it waits there, and a second longer
   */
  constructor(time, costs, { delayMs, wakes }) {
    this.#time = time;
    this.#costs = costs;
    this.#delayMs = delayMs;
    this.#wakes = wakes;
    const listener = { changed: (keys) => this.#publish('changes', keys), confirmed() {}, interrupted() {} };
    const { entries } = memory({ maxEntries: 100_000, maxBytes: 1e9 }).open({
      namespace: NAMESPACE,
      clock: { now: () => time.now, random: () => 0.5, after: () => ({ cancel() {} }) },
      changes: { source: 'bus', listener },
      wake: (key) => this.#publish('wake', [key]),
      degraded() {},
      recovered() {},
    });
    this.#entries = entries;
  }

  get hasChannelsByName() {
    return this.#wakes === 'by name';
  }

  connect(process) {
    this.#processes.push(process);
  }

  /** @param flight `{ by, commands }` that a process has sent now */
  send(flight) {
    this.roundTrips += 1;
    this.#time.at(this.#time.now + this.#delayMs, () => {
      this.#queue.push(flight);
      if (!this.#isBusy) this.#turn();
    });
  }

  #turn() {
    this.#isBusy = true;
    const { server } = this.#costs;
    const flights = this.#queue;
    this.#queue = [];
    this.#heard = [];
    let busyMs = 0;
    for (const flight of flights) {
      busyMs += server.readMs + server.writeMs;
      for (const command of flight.commands) busyMs += this.#execute(flight, command);
    }
    const outputs = new Map();
    const messagesMs = this.#deliver(outputs);
    busyMs += messagesMs;
    this.work.busyMs += busyMs;
    this.work.messagesMs += messagesMs;
    const end = this.#time.now + busyMs;
    this.#time.at(end, () => {
      const arrival = end + this.#delayMs;
      for (const { by, commands } of flights) by.receive(arrival, commands);
      for (const [process, messages] of outputs) process.hear(arrival, messages);
      this.#isBusy = false;
      if (this.#queue.length > 0) this.#turn();
    });
  }

  /** @returns how long it takes */
  #execute({ by }, command) {
    const { server } = this.#costs;
    const heardBefore = this.#heard.length;
    command.reply = command.execute(this.#entries);
    for (const message of this.#heard.slice(heardBefore)) message.by = by;
    this.commands[command.kind] += 1;
    if (command.kind === 'mget') return server.mgetMs + server.mgetKeyMs * (command.keys - 2);
    if (command.kind === 'remove') return server.removeMs;
    if (command.kind === 'script') return server.scriptMs;
    this.#subscribe(by, command);
    // As cheap a command as a read.
    return server.mgetMs;
  }

  #subscribe(process, { kind, key }) {
    const listeners = this.#channels.get(key) ?? new Set();
    if (kind === 'subscribe') listeners.add(process);
    else listeners.delete(process);
    if (listeners.size > 0) this.#channels.set(key, listeners);
    else this.#channels.delete(key);
  }

  #publish(channel, keys) {
    this.published[channel] += 1;
    this.#heard.push({ channel, keys, by: undefined });
  }

  /** Appends each message to the output of those who hear it. @returns how long that takes */
  #deliver(outputs) {
    const { server } = this.#costs;
    let appended = 0;
    for (const message of this.#heard) {
      for (const process of this.#listeners(message)) {
        if (message.channel === 'changes' && !process.hasL1) continue;
        appended += 1;
        const output = outputs.get(process);
        if (output === undefined) outputs.set(process, [message]);
        else output.push(message);
      }
    }
    return this.#heard.length * server.publishMs + appended * server.appendMs + outputs.size * server.writeMs;
  }

  #listeners({ channel, keys }) {
    if (channel === 'wake' && this.hasChannelsByName) return this.#channels.get(keys[0]) ?? [];
    return this.#processes;
  }
}
