import * as v from 'valibot';
import type { Caching } from '../../src/index.js';
import { Sessions, type Session, type SessionSummary } from '../../src/core/sessions/index.js';

interface Cart {
  readonly items: readonly string[];
  readonly coupon?: string;
}

declare const caching: Caching;
declare const id: string | undefined;

export const carts = new Sessions<Cart>(caching, {
  ttl: '30m',
  maxAge: '12h',
  rolling: false,
  name: 'staff',
});

export async function verbs(): Promise<void> {
  const created: Session<Cart> = await carts.create({ items: [] }, { user: 'u1' });
  const found: Session<Cart> | undefined = await carts.get(id, { rolling: false });
  const items: readonly string[] | undefined = found?.data.items;
  const text: string = created.id + created.handle;
  const user: string | undefined = created.user;
  await carts.update(id, { items: ['a'] });
  await carts.update(id, ({ items, ...rest }) => ({ ...rest, items: [...items, 'a'] }));
  const rotated: Session<Cart> | undefined = await carts.rotate(id, { user: 'u1', data: { items: [] } });
  const listed: SessionSummary<Cart>[] = await carts.list('u1');
  const done: boolean[] = [
    await carts.touch(id),
    await carts.destroy(id),
    await carts.revoke('u1', 'handle'),
  ];
  await carts.revokeAll('u1', { except: id });
  void [items, text, user, rotated, listed, done];
}

// The data of a session are what the schema returns.
const schema = v.object({ items: v.array(v.string()) });
const bySchema = new Sessions(caching, { schema });
export const typed: Sessions<{ items: string[] }> = bySchema;

// A class of its own is its token in a container.
export class CartSessions extends Sessions<Cart> {
  constructor(caching: Caching) {
    super(caching, { ttl: '30m' });
  }
}
