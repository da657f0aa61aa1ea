import test from 'ava';
import express, { type ErrorRequestHandler } from 'express';
import session from 'express-session';
import { expressSessionStore } from '../../../src/adapters/express-session/index.js';
import { serveExpress } from '../http/serve.js';
import { loginFlow } from '../session-store/login-flow.js';

declare module 'express-session' {
  interface SessionData {
    userId?: string;
    visits?: number;
  }
}

const onError: ErrorRequestHandler = (error: Error, _request, response, _next) =>
  void response.status(503).send(error.message);

loginFlow(test, 'Express', async (t, caching, slow) => {
  const store = expressSessionStore({ caching, user: (one) => one.userId });
  const app = express();
  app.use(
    session({
      ...{ store, secret: 'keyboard cat', resave: false, saveUninitialized: false },
      cookie: { maxAge: 600_000 },
    }),
  );
  app.get('/me', (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.json({ user: request.session.userId ?? null, visits: request.session.visits });
  });
  app.post('/login', (request, response, next) => {
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.userId = String(request.query['user']);
      request.session.save((failed) => (failed ? next(failed) : response.json({})));
    });
  });
  app.post('/logout', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.json({})));
  });
  app.post('/logout-everywhere', async (request, response) => {
    await store.revokeAll(request.session.userId!, request.sessionID);
    response.json({});
  });
  app.get('/slow', async (request, response) => {
    slow().started.resolve();
    await slow().released.promise;
    request.session.visits = 100;
    response.json({});
  });
  app.use(onError);
  return { url: await serveExpress(t, app) };
});
