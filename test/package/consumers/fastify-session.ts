import type { FastifySessionOptions } from '@fastify/session';
import type { Session } from 'fastify';
import { Caching } from 'cachement';
import { fastifySessionStore } from 'cachement/fastify-session';
import { memory } from 'cachement/memory';

declare module 'fastify' {
  interface Session {
    n: number;
  }
}

const caching = new Caching({ adapter: memory(), namespace: 'consumer' });
const store = fastifySessionStore({ caching, ttl: '1h', user: ({ n }) => String(n) });
const options: FastifySessionOptions = { secret: 'x'.repeat(32), store };
const session: Session = { cookie: { originalMaxAge: null }, n: 1 };

store.set('s1', session, () => {
  store.get('s1', (_, found) => {
    store.destroy('s1', () => {
      store.get('s1', (_, gone) => {
        const outcome = gone === null && options.store === store ? 'destroyed' : 'wrong';
        console.log(`fastify: found ${found?.n}, ${outcome}`);
        void caching.close();
      });
    });
  });
});
