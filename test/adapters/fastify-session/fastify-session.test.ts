import cookie from '@fastify/cookie';
import session from '@fastify/session';
import test from 'ava';
import { fastify } from 'fastify';
import { fastifySessionStore } from '../../../src/adapters/fastify-session/index.js';
import { serveFastify } from '../http/serve.js';
import { loginFlow } from '../session-store/login-flow.js';

declare module 'fastify' {
  interface Session {
    userId?: string;
    visits?: number;
  }
}

loginFlow(test, 'Fastify', async (t, caching, slow) => {
  const store = fastifySessionStore({ caching, user: (one) => one.userId });
  const app = fastify();
  await app.register(cookie);
  await app.register(session, {
    ...{ store, secret: 'a secret of at least 32 characters', saveUninitialized: false },
    cookie: { secure: false, maxAge: 600_000 },
  });
  app.get('/me', async ({ session: own }) => {
    own.visits = (own.visits ?? 0) + 1;
    return { user: own.userId ?? null, visits: own.visits };
  });
  app.post<{ Querystring: { user: string } }>('/login', async (request) => {
    await request.session.regenerate();
    request.session.userId = request.query.user;
    return {};
  });
  app.post('/logout', async (request) => {
    await request.session.destroy();
    return {};
  });
  app.post('/logout-everywhere', async ({ session: own }) => {
    await store.revokeAll(own.userId!, own.sessionId);
    return {};
  });
  app.get('/slow', async (request) => {
    slow().started.resolve();
    await slow().released.promise;
    request.session.visits = 100;
    return {};
  });
  return { url: await serveFastify(t, app) };
});
