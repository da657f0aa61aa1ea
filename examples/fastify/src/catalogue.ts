import { Caching, Locked, RateLimited } from 'cachement';

export interface Product {
  readonly id: string;
  readonly name: string;
  readonly stock: number;
}

/** A pretend database that counts its reads. */
const rows = new Map<string, Product>([['42', { id: '42', name: 'Lamp', stock: 3 }]]);

export class Catalogue {
  reads = 0;

  constructor(private readonly caching: Caching) {}

  async find(id: string): Promise<{ product: Product | undefined; reads: number }> {
    this.reads++;
    return { product: rows.get(id), reads: this.reads };
  }

  @RateLimited({ key: 'order:{0}', limit: 2, per: '1h', algorithm: 'fixed-window' })
  @Locked({ key: 'product:{0}', lease: '5s', wait: '1s' })
  async order(id: string): Promise<Product> {
    const product = rows.get(id);
    if (product === undefined) throw new Error(`There is no product ${id}.`);
    const ordered = { ...product, stock: product.stock - 1 };
    rows.set(id, ordered);
    await this.caching.cache.invalidate({ tags: [`product:${id}`] });
    return ordered;
  }
}
