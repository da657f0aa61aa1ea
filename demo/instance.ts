import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caching, subscribe, type Adapter } from 'cachement';
import { registerCaching } from 'cachement/tsyringe';
import { container } from 'tsyringe';
import { Cities, labelsOf } from './cities.js';
import type { City, CityDatabase } from './city-database.js';
import { NaiveCities, type PlainStore } from './naive-cities.js';

/** Which of the two services a scene uses. */
export type Kind = 'naive' | 'cached';

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

export interface Listed {
  readonly key: string;
  readonly bytes: number;
  readonly ttlLeftMs: number;
  readonly tags: readonly string[];
}

/** An instance of the application, in this process or in another. */
export interface Instance {
  /** Many callers at a moment of the wall clock. Returns the time at which the last of them had the city. */
  crowd(ask: { kind: Kind; id: string; callers: number; at: number }): Promise<number>;
  find(ask: { kind: Kind; id: string }): Promise<City>;
  largestIn(country: string): Promise<readonly City[]>;
  save(ask: { kind: Kind; city: City }): Promise<void>;
  /** Many questions of one guest at a moment of the wall clock. Returns how many were answered. */
  questions(ask: { kind: Kind; address: string; id: string; count: number; at: number }): Promise<number>;
  /** Many people move at a moment of the wall clock. Resolves when all are registered. */
  moves(ask: { kind: Kind; id: string; count: number; at: number }): Promise<void>;
  /** Reads the cities one after the other, `times` times. Returns the time of one read in ms. */
  timeReads(ask: { ids: readonly string[]; times: number }): Promise<Percentiles>;
  /** The entries that this instance has stored and that are still in the cache. */
  entries(): Promise<readonly Listed[]>;
  close(): Promise<void>;
}

export interface InstanceSetup {
  readonly adapter: Adapter;
  readonly namespace: string;
  readonly plain: PlainStore;
  readonly database: CityDatabase;
}

/** One instance of the application, with a container and a `Caching` of its own on the shared store. */
export async function startInstance({
  adapter,
  namespace,
  plain,
  database,
}: InstanceSetup): Promise<Instance> {
  const caching = new Caching({ adapter, namespace });
  await caching.ready();
  const own = container.createChildContainer();
  own.registerInstance('CityDatabase', database);
  registerCaching(own, caching);
  const services = { cached: own.resolve(Cities), naive: new NaiveCities(plain, database) };
  const filled = new Map<string, { readonly bytes: number; readonly until: number }>();
  const stopListening = subscribe('fill', ({ namespace: where, key, bytes, ttlMs }) => {
    if (where === namespace) filled.set(key, { bytes, until: performance.now() + ttlMs });
  });

  return {
    async crowd({ kind, id, callers, at }) {
      await sleep(at - wallClock());
      await Promise.all(Array.from({ length: callers }, () => services[kind].find(id)));
      return wallClock();
    },
    find: ({ kind, id }) => services[kind].find(id),
    largestIn: (country) => services.cached.largestIn(country),
    save: ({ kind, city }) => services[kind].save(city),
    async questions({ kind, address, id, count, at }) {
      await sleep(at - wallClock());
      const asked = Array.from({ length: count }, () => services[kind].answerGuest(address, id));
      const answers = await Promise.allSettled(asked);
      return answers.filter(({ status }) => status === 'fulfilled').length;
    },
    async moves({ kind, id, count, at }) {
      await sleep(at - wallClock());
      await Promise.all(Array.from({ length: count }, () => services[kind].moveTo(id)));
    },
    async timeReads({ ids, times }) {
      const durations: number[] = [];
      for (let i = 0; i < times; i += 1) {
        const begun = performance.now();
        await services.cached.find(ids[i % ids.length]!);
        durations.push(performance.now() - begun);
      }
      return percentiles(durations);
    },
    async entries() {
      const listed: Listed[] = [];
      for (const [key, { bytes, until }] of filled) {
        const value = await caching.cache.get<City | readonly City[]>(key);
        if (value === undefined) continue;
        const tags = 'id' in value ? labelsOf(value) : [`country:${key.slice('largest-in:'.length)}`];
        listed.push({ key, bytes, ttlLeftMs: until - performance.now(), tags });
      }
      return listed;
    },
    async close() {
      stopListening();
      await caching.close();
    },
  };
}

export function percentiles(durations: readonly number[]): Percentiles {
  const sorted = durations.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)]!;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Milliseconds since the epoch, with fractions: comparable between the processes of one machine. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}
