import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { ExecutionContext } from 'ava';
import express, { type Request } from 'express';
import { fastify, type FastifyRequest } from 'fastify';
import { Hono, type Context } from 'hono';
import * as expressAdapter from '../../../src/adapters/express/index.js';
import * as fastifyAdapter from '../../../src/adapters/fastify/index.js';
import * as honoAdapter from '../../../src/adapters/hono/index.js';
import type { ErrorResponseOptions } from '../../../src/adapters/http/index.js';
import type { ResponseCacheOptions } from '../../../src/adapters/http/response-cache-options.js';
import { serveExpress, serveFastify } from './serve.js';

/** A request, as a handler of these tests sees it. */
export interface Call {
  readonly url: string;
  header(name: string): string | undefined;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer | AsyncIterable<Buffer>;
}

/** An application of one route, `/*`. */
export interface App {
  /** `identity` and `tags` take a `Call` here. */
  readonly options: ResponseCacheOptions<Call>;
  readonly handler: (call: Call) => Answer | Promise<Answer>;
  /** What an earlier middleware or hook knows about the caller. */
  readonly user?: (call: Call) => unknown;
  readonly errors?: ErrorResponseOptions;
}

export interface Framework {
  serve(t: ExecutionContext, app: App): Promise<string>;
}

const NOT_SET = undefined;

/** The options of a framework: their functions take its request. */
function optionsOf<R>(
  { identity, tags, ...rest }: ResponseCacheOptions<Call>,
  callOf: (request: R) => Call,
): ResponseCacheOptions<R> {
  return {
    ...rest,
    identity: identity === undefined ? NOT_SET : (request) => identity(callOf(request)),
    tags: typeof tags === 'function' ? (request, response) => tags(callOf(request), response) : tags,
  };
}

const callOfNode = (request: Request | FastifyRequest): Call => ({
  url: request.originalUrl,
  header: (name) => request.headers[name] as string | undefined,
});

const callOfHono = ({ req }: Context): Call => ({
  url: req.url.slice(new URL(req.url).origin.length),
  header: (name) => req.header(name),
});

export const FRAMEWORKS: Readonly<Record<'express' | 'fastify' | 'hono', Framework>> = {
  express: {
    serve(t, { options, handler, user, errors }) {
      const app = express();
      app.disable('x-powered-by');
      app.use((request, _response, next) => {
        if (user !== undefined) Object.assign(request, { user: user(callOfNode(request)) });
        next();
      });
      app.get(
        '/{*path}',
        expressAdapter.cacheResponse(optionsOf(options, callOfNode)),
        async (request, response) => {
          const { status = 200, headers = {}, body = '' } = await handler(callOfNode(request));
          response.status(status).set(headers);
          if (typeof body === 'string' || Buffer.isBuffer(body)) response.send(body);
          else Readable.from(body).pipe(response);
        },
      );
      app.use(expressAdapter.cachingErrorHandler(errors));
      app.use(((error: Error, _request, response, _next) => {
        response.status(500).send(error.message);
      }) as express.ErrorRequestHandler);
      return serveExpress(t, app);
    },
  },
  fastify: {
    serve(t, { options, handler, user, errors }) {
      const app = fastify();
      if (user !== undefined) {
        app.decorateRequest('user', null);
        app.addHook('onRequest', async (request) => {
          Object.assign(request, { user: user(callOfNode(request)) });
        });
      }
      app.get('/*', fastifyAdapter.cacheResponse(optionsOf(options, callOfNode)), async (request, reply) => {
        const { status = 200, headers = {}, body = '' } = await handler(callOfNode(request));
        reply.code(status).headers(headers);
        return typeof body === 'string' || Buffer.isBuffer(body) ? body : Readable.from(body);
      });
      app.setErrorHandler(fastifyAdapter.cachingErrorHandler(errors));
      return serveFastify(t, app);
    },
  },
  hono: {
    async serve(t, { options, handler, user, errors }) {
      const app = new Hono<{ Variables: { user: unknown } }>();
      app.use(async (c, next) => {
        if (user !== undefined) c.set('user', user(callOfHono(c as unknown as Context)));
        await next();
      });
      app.get('/*', honoAdapter.cacheResponse(optionsOf(options, callOfHono)), async (c) => {
        const { status = 200, headers = {}, body = '' } = await handler(callOfHono(c as unknown as Context));
        for (const [name, value] of Object.entries(headers))
          for (const one of [value].flat()) c.header(name, one, { append: true });
        c.status(status as 200);
        if (status === 204 || status === 304) return c.body(null);
        return c.body(
          typeof body === 'string'
            ? body
            : Buffer.isBuffer(body)
              ? new Uint8Array(body)
              : (ReadableStream.from(body) as ReadableStream),
        );
      });
      app.onError(
        honoAdapter.cachingErrorHandler(errors, (error) => new Response(error.message, { status: 500 })),
      );
      const listener = getRequestListener(app.fetch);
      const server = createServer((request, response) => void listener(request, response));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.teardown(async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      });
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
  },
};
