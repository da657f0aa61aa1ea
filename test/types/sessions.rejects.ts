import * as v from 'valibot';
import type { Caching } from '../../src/index.js';
import { Sessions } from '../../src/core/sessions/index.js';

interface Cart {
  readonly items: readonly string[];
}

declare const caching: Caching;
declare const id: string | undefined;

const carts = new Sessions<Cart>(caching);

export async function verbs(): Promise<void> {
  // error: 'cart' does not exist in type 'Cart'
  await carts.create({ cart: [] });
  // error: Type 'number' is not assignable to type 'string'
  await carts.create({ items: [] }, { user: 42 });
  // error: 'ttl' does not exist in type 'GetSessionOptions'
  await carts.get(id, { ttl: '1m' });
  // error: Argument of type 'null' is not assignable
  await carts.get(null);
  // error: is possibly 'undefined'
  void (await carts.get(id)).data;
  // error: is not assignable to type
  await carts.update(id, { items: [1] });
  // error: is not assignable to
  await carts.update(id, async (data) => data);
  // error: Property 'items' is missing in type
  await carts.rotate(id, { data: {} });
  const [summary] = await carts.list('u1');
  // error: Property 'id' does not exist on type
  void summary!.id;
  const session = await carts.create({ items: [] });
  // error: Cannot assign to 'id' because it is a read-only property
  session.id = 'x';
}

export const refused = [
  // error: is not assignable to type 'Duration
  new Sessions<Cart>(caching, { ttl: '30 parsecs' }),
  // error: is not assignable to type
  new Sessions<Cart>(caching, { schema: v.object({ items: v.number() }) }),
  // error: Expected 1-2 arguments
  new Sessions<Cart>(),
];
