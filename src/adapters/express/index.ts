import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorRequestHandler, Request } from 'express';
import { errorResponse, type ErrorResponseOptions } from '../http/error-response.js';
import { toFields, type CacheableRequest } from '../http/http-message.js';
import {
  nodeInvalidationRoute,
  type InvalidationHandler,
  type InvalidationRouteOptions,
} from '../http/invalidation-route.js';
import { callerProperty, hasClientCertificate } from '../http/request-audience.js';
import { ResponseCache } from '../http/response-cache.js';
import type { ResponseCacheOptions } from '../http/response-cache-options.js';
import { HeldResponse } from './hold-response.js';

export type { ErrorResponseOptions } from '../http/error-response.js';
export type { InvalidationHandler, InvalidationRouteOptions } from '../http/invalidation-route.js';
export type { ResponseCacheOptions } from '../http/response-cache-options.js';
export type { ResponseHead } from '../http/http-message.js';

/** A middleware of Express 5 that leaves the types of the route's parameters to its handler. */
export type CacheResponseMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Returns an error middleware for Express 5 that answers the errors of this library which are not bugs: 429 for a rate limit,
 * 409 for a lock that others hold, 503 for a store that does not answer. It passes all other errors on.
 *
 * @example
 * app.use(cachingErrorHandler());
 */
export function cachingErrorHandler(options: ErrorResponseOptions = {}): ErrorRequestHandler {
  return (error, _request, response, next) => {
    const refusal = errorResponse(error, options);
    if (refusal === undefined || response.headersSent) {
      next(error);
      return;
    }
    response.status(refusal.status).set(refusal.headers).json(refusal.body);
  };
}

/**
 * Returns a middleware for Express 5 that stores the responses of what comes after it, and answers later requests from the
 * store. Put it after the middlewares that find out who calls, and directly before the handler.
 *
 * Requests that may say who calls (a cookie, `Authorization`, `request.user`, any header that is not known to be anonymous)
 * are answered by the handler, unless `identity` or `shared` says whose response it is, or the handler marks it `public`.
 *
 * @throws OptionsError
 * @example
 * app.get('/products/:id', cacheResponse({ caching, ttl: '1m', tags: ['products'] }), async (request, response) => {
 *   response.json(await products.find(request.params.id));
 * });
 */
export function cacheResponse(options: ResponseCacheOptions<Request>): CacheResponseMiddleware {
  const cache = new ResponseCache<Request>(options, 'cacheResponse({ ... })');
  return (request, response, next) => {
    const held = new HeldResponse(request, response);
    // Express passes its own request.
    const own = request as Request;
    cache.respond(describe(own), own, held.run(next)).then(
      (reply) => {
        if (reply.kind === 'send') held.send(reply.response);
        if (reply.kind !== 'bypass') return;
        response.setHeader('Cache-Status', reply.cacheStatus);
        next();
      },
      (error: unknown) => {
        held.drop();
        next(error);
      },
    );
  };
}

/**
 * Returns a handler for Express 5 by which programs that do not use this library invalidate, as `invalidationRoute` of
 * 'cachement/http' does. An earlier `express.json()` is not needed, and does no harm.
 *
 * @throws OptionsError
 * @example
 * app.all('/cache/invalidate', invalidationRoute({ caching, secret: process.env.INVALIDATION_SECRET ?? '' }));
 */
export function invalidationRoute(options: InvalidationRouteOptions): InvalidationHandler {
  return nodeInvalidationRoute(options);
}

function describe(request: Request): CacheableRequest {
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
