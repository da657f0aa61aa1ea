import { Store, type Cookie } from 'express-session';
import { Caching } from 'cachement';
import { expressSessionStore } from 'cachement/express-session';
import { memory } from 'cachement/memory';

declare module 'express-session' {
  interface SessionData {
    n: number;
  }
}

const caching = new Caching({ adapter: memory(), namespace: 'consumer' });
const store = expressSessionStore({ caching, ttl: '1h', user: ({ n }) => String(n) });
const cookie = { originalMaxAge: null } as Cookie;

store.set('s1', { cookie, n: 1 }, () => {
  store.get('s1', (_, found) => {
    store.destroy('s1', () => {
      store.get('s1', (_, gone) => {
        const outcome = gone === null && store instanceof Store ? 'destroyed' : 'wrong';
        console.log(`express: found ${found?.n}, ${outcome}`);
        void caching.close();
      });
    });
  });
});
