import { Readable } from 'node:stream';
import type {
  FastifyError,
  FastifyReply,
  FastifyRequest,
  onSendHookHandler,
  preHandlerHookHandler,
} from 'fastify';
import { readUpTo } from '../http/body-limit.js';
import { errorResponse, type ErrorResponseOptions } from '../http/error-response.js';
import {
  changedFields,
  toFields,
  type CacheableRequest,
  type HeaderFields,
  type WholeResponse,
} from '../http/http-message.js';
import { bodyOf, InvalidationRoute, type InvalidationRouteOptions } from '../http/invalidation-route.js';
import type { Hold } from '../http/own-handler.js';
import { callerProperty, hasClientCertificate } from '../http/request-audience.js';
import { ResponseCache } from '../http/response-cache.js';
import type { ResponseCacheOptions } from '../http/response-cache-options.js';

export type { ErrorResponseOptions } from '../http/error-response.js';
export type { InvalidationRouteOptions } from '../http/invalidation-route.js';
export type { ResponseCacheOptions } from '../http/response-cache-options.js';
export type { ResponseHead } from '../http/http-message.js';

/** The hooks of a cached route: options of the route. */
export interface CacheResponseHooks {
  readonly preHandler: preHandlerHookHandler;
  readonly onSend: onSendHookHandler;
}

/**
 * Returns an error handler for Fastify 5 that answers the errors of this library which are not bugs: 429 for a rate limit,
 * 409 for a lock that others hold, 503 for a store that does not answer. It passes all other errors on.
 *
 * @example
 * app.setErrorHandler(cachingErrorHandler());
 */
export function cachingErrorHandler(
  options: ErrorResponseOptions = {},
): (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (error, _request, reply) => {
    const refusal = errorResponse(error, options);
    if (refusal === undefined) return reply.send(error);
    return reply.status(refusal.status).headers(refusal.headers).send(refusal.body);
  };
}

/** A request whose handler runs, and what its `onSend` reports to. */
interface Exchange {
  readonly hold: Hold;
  readonly before: HeaderFields;
  /** The response is complete, or passes through (undefined). */
  resolve(response: WholeResponse | undefined): void;
  reject(error: unknown): void;
  /** Called when it is known what to send in place of the response. */
  finish: (error: unknown, response: WholeResponse | undefined) => void;
}

/**
 * Returns the hooks of a Fastify 5 route that store its responses, and answer later requests from the store. Hooks that find
 * out who calls run before: `onRequest` or `preValidation`.
 *
 * Requests that may say who calls (a cookie, `Authorization`, `request.user`, any header that is not known to be anonymous)
 * are answered by the handler, unless `identity` or `shared` says whose response it is, or the handler marks it `public`.
 *
 * @throws OptionsError
 * @example
 * const cached = cacheResponse({ caching, ttl: '1m', tags: ['products'] });
 * app.get<{ Params: { id: string } }>('/products/:id', cached, async ({ params }) => products.find(params.id));
 */
export function cacheResponse(options: ResponseCacheOptions<FastifyRequest>): CacheResponseHooks {
  const cache = new ResponseCache<FastifyRequest>(options, 'cacheResponse({ ... })');
  const exchanges = new WeakMap<FastifyRequest, Exchange>();
  return {
    preHandler(request, reply, done) {
      let exchange: Exchange | undefined;
      // The handler runs within `done`: so it is part of the load.
      const handle = (hold: Hold): Promise<WholeResponse | undefined> =>
        new Promise((resolve, reject) => {
          exchange = { hold, before: toFields(reply.getHeaders()), resolve, reject, finish: () => {} };
          exchanges.set(request, exchange);
          // A handler that writes on `reply.raw` skips `onSend`.
          reply.raw.once('close', () => {
            if (reply.sent || reply.raw.headersSent) resolve(undefined);
          });
          hideConditions(request);
          done();
        });
      cache.respond(describe(request), request, handle).then(
        (answer) => {
          if (answer.kind === 'bypass') {
            void reply.header('Cache-Status', answer.cacheStatus);
            done();
          } else if (answer.kind === 'send') {
            if (exchange === undefined) void reply.send(payloadOf(answer.response, reply));
            else exchange.finish(null, answer.response);
          }
        },
        (error: Error) => {
          if (exchange === undefined) done(error);
          else exchange.finish(error, undefined);
        },
      );
    },
    onSend(request, reply, payload, done) {
      const exchange = exchanges.get(request);
      exchanges.delete(request);
      if (exchange === undefined) {
        done(null, payload);
        return;
      }
      const head = {
        status: reply.statusCode,
        headers: changedFields(exchange.before, toFields(reply.getHeaders())),
      };
      const cacheStatus = exchange.hold.judge(head);
      if (cacheStatus !== undefined) {
        void reply.header('Cache-Status', cacheStatus);
        done(null, payload);
        exchange.resolve(undefined);
        return;
      }
      exchange.finish = (error, response) => {
        if (response === undefined) (done as (error: Error) => void)(error as Error);
        else done(null, payloadOf(response, reply));
      };
      readUpTo(chunksOf(payload), exchange.hold.maxBytes).then(({ whole, rest }) => {
        if (whole === undefined) {
          done(null, Readable.from(rest));
          exchange.resolve(undefined);
        } else {
          exchange.resolve({ ...head, body: whole });
        }
      }, exchange.reject);
    },
  };
}

/**
 * Returns a handler for Fastify 5 by which programs that do not use this library invalidate, as `invalidationRoute` of
 * 'cachement/http' does. Fastify parses the body, and answers by itself what is not JSON (400, 415) or too large (413).
 *
 * @throws OptionsError
 * @example
 * app.all('/cache/invalidate', invalidationRoute({ caching, secret: process.env.INVALIDATION_SECRET ?? '' }));
 */
export function invalidationRoute(
  options: InvalidationRouteOptions,
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const route = new InvalidationRoute(options);
  return async (request, reply) => {
    const { status, headers, body } = await route.answer({
      method: request.method,
      authorization: request.headers.authorization,
      body: async () => bodyOf(request.body),
    });
    return reply.code(status).headers(headers).send(JSON.stringify(body));
  };
}

function describe(request: FastifyRequest): CacheableRequest {
  return {
    method: request.method,
    origin: `${request.protocol}://${request.host}`,
    target: request.originalUrl,
    headers: toFields(request.headers),
    identifiedBy: () =>
      callerProperty((name) => (request as unknown as Record<string, unknown>)[name]) ??
      (hasClientCertificate(request.socket) ? 'client certificate' : undefined),
  };
}

/** A handler or a plugin that answers 304 makes no body for others. They are checked when the response is sent. */
function hideConditions({ raw }: FastifyRequest): void {
  delete raw.headers['if-none-match'];
  delete raw.headers['if-modified-since'];
}

/** Sets status and headers. @returns the body, for `reply.send` and `onSend` */
function payloadOf({ status, headers, body }: WholeResponse, reply: FastifyReply): Buffer | undefined {
  void reply.code(status);
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) void reply.removeHeader(name);
    else void reply.header(name, value);
  }
  return status === 204 || status === 304 ? undefined : Buffer.from(body);
}

/** A payload as Fastify sends it: text, bytes, a stream of Node.js or of the web, or nothing. */
function chunksOf(payload: unknown): AsyncIterable<Uint8Array | string> {
  if (payload === null || payload === undefined) return Readable.from([]);
  const isStream = typeof payload === 'object' && Symbol.asyncIterator in payload;
  return isStream ? (payload as AsyncIterable<Uint8Array>) : Readable.from([payload]);
}
