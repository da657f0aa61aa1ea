import { Cached, Invalidates, Locked, RateLimited } from 'cachement';
import { inject, injectable } from 'tsyringe';
import type { City, CityDatabase } from './city-database.js';

/** A service with one decorator above each method. */
@injectable()
export class Cities {
  constructor(@inject('CityDatabase') private readonly database: CityDatabase) {}

  @Cached({ key: 'city:{0}', ttl: '10m', tags: (city) => labelsOf(city) })
  async find(id: string): Promise<City> {
    return this.database.find(id);
  }

  @Cached({ key: 'largest-in:{0}', ttl: '10m', tags: 'country:{0}' })
  async largestIn(country: string): Promise<readonly City[]> {
    return this.database.largestIn(country);
  }

  @Invalidates({ keys: 'city:{0.id}', tags: 'country:{0.country}' })
  async save(city: City): Promise<void> {
    await this.database.save(city);
  }

  /** A guest may ask five questions a minute. */
  @RateLimited({ key: 'guest:{0}', limit: 5, per: '1m' })
  async answerGuest(_address: string, id: string): Promise<City> {
    return this.find(id);
  }

  /** Adds one to the population: reads it, then writes it. */
  @Locked({ key: 'moving-to:{0}', lease: '10s', wait: '30s' })
  async moveTo(id: string): Promise<void> {
    const city = await this.database.find(id);
    await this.save({ ...city, population: city.population + 1 });
  }
}

/** The tags of a city's entry. */
export function labelsOf(city: City): readonly string[] {
  return [`country:${city.country}`];
}
