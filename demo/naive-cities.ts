import type { Redis } from 'ioredis';
import type { City, CityDatabase } from './city-database.js';

/** Strings by key, in memory or in Redis: what a cache written by hand needs. */
export interface PlainStore {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
}

const QUESTIONS = 5;

/** The same service written by hand: get, load, set; a counter for guests; read, add one, write. */
export class NaiveCities {
  readonly #store: PlainStore;
  readonly #database: CityDatabase;

  constructor(store: PlainStore, database: CityDatabase) {
    this.#store = store;
    this.#database = database;
  }

  async find(id: string): Promise<City> {
    const cached = await this.#store.get(id);
    if (cached !== null) return JSON.parse(cached) as City;
    const city = await this.#database.find(id);
    await this.#store.set(id, JSON.stringify(city));
    return city;
  }

  async save(city: City): Promise<void> {
    await this.#database.save(city);
    await this.#store.remove(city.id);
  }

  async answerGuest(address: string, id: string): Promise<City> {
    const asked = Number((await this.#store.get(`guest-${address}`)) ?? 0);
    if (asked >= QUESTIONS) throw new Error('Too many questions.');
    await this.#store.set(`guest-${address}`, String(asked + 1));
    return this.find(id);
  }

  async moveTo(id: string): Promise<void> {
    const city = await this.#database.find(id);
    await this.save({ ...city, population: city.population + 1 });
  }
}

export function plainMemory(): PlainStore {
  const values = new Map<string, string>();
  return {
    get: async (key) => values.get(key) ?? null,
    set: async (key, value) => void values.set(key, value),
    remove: async (key) => void values.delete(key),
  };
}

export function plainRedis(redis: Redis, prefix: string): PlainStore {
  return {
    get: (key) => redis.get(`${prefix}:${key}`),
    set: async (key, value) => void (await redis.set(`${prefix}:${key}`, value, 'EX', 600)),
    remove: async (key) => void (await redis.del(`${prefix}:${key}`)),
  };
}
