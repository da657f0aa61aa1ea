import pg from 'pg';
import { invalidationRoute } from '../../src/adapters/http/index.js';
import { invalidateOnNotify } from '../../src/adapters/postgres/index.js';
import type { Caching } from '../../src/core/caching.js';

declare const caching: Caching;

invalidationRoute({ caching, secret: ['a', 'b'] });
// error: Property 'secret' is missing
invalidationRoute({ caching });
// error: 'string | readonly string[]'
invalidationRoute({ caching, secret: process.env['SECRET'] });

const client = (): pg.Client => new pg.Client('postgres://localhost/shop');
invalidateOnNotify({ caching, client, tables: { users: 'users', orders: { tag: 'orders', row: ({ id }) => ({ keys: [['order', id]] }) } } });
// error: Property 'tables' is missing
invalidateOnNotify({ caching, client });
// error: Property 'row' is missing
invalidateOnNotify({ caching, client, tables: { users: { tag: 'users' } } });
// error: Type 'string' is not assignable to type 'readonly Key[]'
invalidateOnNotify({ caching, client, tables: { users: { tag: 'users', row: ({ id }) => ({ keys: id ?? '' }) } } });
// error: is not assignable to type '() => PostgresClient'
invalidateOnNotify({ caching, client: new pg.Client(), tables: { users: 'users' } });
