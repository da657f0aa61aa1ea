import * as cachement from 'cachement';
import { Cached, currentLease, Locked, RateLimited } from 'cachement';

/** A library of its own, on another version of the package, in CommonJS. */
export { cachement };

export class Reports {
  loads = 0;

  @Cached({ key: 'report:{0}', ttl: '1m' })
  async find(id: string): Promise<string> {
    this.loads++;
    await new Promise((resolve) => setImmediate(resolve));
    return `report ${id}`;
  }

  @Locked({ key: 'reports' })
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  @RateLimited({ key: 'print:{0}', limit: 1, per: '1m' })
  async print(_id: string): Promise<void> {}
}

export function leaseSeenByReports(): readonly string[] {
  return currentLease().keys;
}
