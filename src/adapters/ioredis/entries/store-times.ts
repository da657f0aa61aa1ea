import type { Clock } from '../../../core/ports/clock.js';
import { script, type ScriptRunner } from '../commands/script.js';

/** How long a reading of a server's clock is used: its clock may be set. */
const MAX_AGE_MS = 1_000;

interface Reading {
  /** The server's clock minus this process' clock, or more. */
  offset: number;
  /** By this process' clock. */
  readAt: number;
  isReading: boolean;
}

/** The clocks of the servers, by the object that stands for the server: its circuit breaker. */
export class StoreTimes {
  readonly #scripts: ScriptRunner;
  readonly #clock: Clock;
  readonly #readings = new WeakMap<object, Reading>();

  constructor(scripts: ScriptRunner, clock: Clock) {
    this.#scripts = scripts;
    this.#clock = clock;
  }

  /**
   * Returns the server's clock now, or more, in ms since the epoch; undefined if it was not read lately. Then it is read
   * for later calls.
   *
   * @param key a key of that server
   */
  now(server: object, key: string): number | undefined {
    const now = this.#clock.now();
    const reading = this.#readingOf(server);
    const age = now - reading.readAt;
    if (age > MAX_AGE_MS / 2) void this.#refresh(reading, key);
    return age > MAX_AGE_MS ? undefined : now + reading.offset;
  }

  /** Returns the server's clock now, or more. Asks the server if it was not read lately. @throws StoreUnavailableError */
  async read(server: object, key: string, timeout?: number): Promise<number> {
    const known = this.now(server, key);
    if (known !== undefined) return known;
    const askedAt = this.#clock.now();
    const storeTime = await this.#scripts.run(timeScript, [key], timeout);
    return storeTime + (this.#clock.now() - askedAt);
  }

  #readingOf(server: object): Reading {
    const known = this.#readings.get(server);
    if (known !== undefined) return known;
    const reading = { offset: 0, readAt: -Infinity, isReading: false };
    this.#readings.set(server, reading);
    return reading;
  }

  async #refresh(reading: Reading, key: string): Promise<void> {
    if (reading.isReading) return;
    reading.isReading = true;
    const askedAt = this.#clock.now();
    try {
      const storeTime = await this.#scripts.run(timeScript, [key]);
      // The server has read its clock after the request was sent, so this is its clock or more.
      reading.offset = storeTime - askedAt;
      reading.readAt = askedAt;
    } catch {
      // The store is unavailable: nothing is kept until it answers again.
    } finally {
      reading.isReading = false;
    }
  }
}

const timeScript = script<[key: string], number>({
  name: 'time',
  lua: `
-- KEYS[1] any key of the server, which decides the node of a Cluster
-- Returns seconds and microseconds since the epoch
return redis.call('TIME')
`,
  encode: (key) => ({ keys: [key], values: [] }),
  decode: (reply) => {
    const [seconds, microseconds] = (reply as readonly unknown[]).map(Number) as [number, number];
    return seconds * 1_000 + microseconds / 1_000;
  },
});
