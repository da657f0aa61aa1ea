import * as cachement from 'cachement';
import { Cached, currentLease, Locked, RateLimited } from 'cachement';

/** A module of the application that is still CommonJS. */
export { cachement };

export class Invoices {
  loads = 0;

  @Cached({ key: 'invoice:{0}', ttl: '1m' })
  async find(id: string): Promise<string> {
    this.loads++;
    await new Promise((resolve) => setImmediate(resolve));
    return `invoice ${id}`;
  }

  @Locked({ key: 'invoices' })
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  @RateLimited({ key: 'print:{0}', limit: 1, per: '1m' })
  async print(_id: string): Promise<void> {}
}

export function leaseSeenByInvoices(): readonly string[] {
  return currentLease().keys;
}
