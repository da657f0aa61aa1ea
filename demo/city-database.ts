import { setTimeout as sleep } from 'node:timers/promises';
import { cityMapping } from 'city-timezones';

export interface City {
  readonly id: string;
  readonly name: string;
  readonly province: string;
  readonly country: string;
  readonly population: number;
  readonly timezone: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** The part of the database that the services use. */
export interface CityDatabase {
  find(id: string): Promise<City>;
  largestIn(country: string): Promise<readonly City[]>;
  save(city: City): Promise<void>;
}

export const QUERY_MS = 150;

/** The data set of the package city-timezones. Queries take QUERY_MS and are counted. */
export class CityTable implements CityDatabase {
  readonly #rows = new Map<string, City>();
  queries = 0;

  constructor() {
    // Of several cities with one name in a country, the largest stays.
    for (const row of cityMapping.toSorted((a, b) => a.pop - b.pop)) {
      const id = `${row.iso2}-${row.city_ascii}`.toLowerCase().replaceAll(/[^a-z]+/g, '-');
      this.#rows.set(id, {
        id,
        name: row.city,
        province: row.province,
        country: row.iso2,
        population: Math.round(row.pop),
        timezone: row.timezone,
        latitude: row.lat,
        longitude: row.lng,
      });
    }
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The ids of the largest cities. */
  largest(count: number): readonly string[] {
    const sorted = [...this.#rows.values()].toSorted((a, b) => b.population - a.population);
    return sorted.slice(0, count).map(({ id }) => id);
  }

  async find(id: string): Promise<City> {
    this.queries += 1;
    const row = this.#rows.get(id);
    if (row === undefined) throw new Error(`There is no city ${id}.`);
    // The row is read at the start of the query, and returned at its end.
    await sleep(QUERY_MS);
    return row;
  }

  async largestIn(country: string): Promise<readonly City[]> {
    this.queries += 1;
    const rows = [...this.#rows.values()].filter((row) => row.country === country);
    await sleep(QUERY_MS);
    return rows.toSorted((a, b) => b.population - a.population).slice(0, 10);
  }

  async save(city: City): Promise<void> {
    await sleep(20);
    this.#rows.set(city.id, city);
  }
}
