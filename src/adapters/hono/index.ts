import type { Context, ErrorHandler, Handler, MiddlewareHandler } from 'hono';
import { readUpTo } from '../http/body-limit.js';
import { errorResponse, type ErrorResponseOptions } from '../http/error-response.js';
import {
  changedFields,
  type CacheableRequest,
  type HeaderFields,
  type WholeResponse,
} from '../http/http-message.js';
import {
  invalidationRoute as fetchInvalidationRoute,
  type InvalidationRouteOptions,
} from '../http/invalidation-route.js';
import type { Handle } from '../http/own-handler.js';
import { callerProperty, hasClientCertificate } from '../http/request-audience.js';
import { ResponseCache } from '../http/response-cache.js';
import type { ResponseCacheOptions } from '../http/response-cache-options.js';

export type { ErrorResponseOptions } from '../http/error-response.js';
export type { InvalidationRouteOptions } from '../http/invalidation-route.js';
export type { ResponseCacheOptions } from '../http/response-cache-options.js';
export type { ResponseHead } from '../http/http-message.js';

/**
 * Returns an error handler for Hono 4 that answers the errors of this library which are not bugs: 429 for a rate limit, 409
 * for a lock that others hold, 503 for a store that does not answer.
 *
 * @param otherwise answers all other errors @default the response of an HTTPException; others are thrown to the server
 * @example
 * app.onError(cachingErrorHandler());
 */
export function cachingErrorHandler(
  options: ErrorResponseOptions = {},
  otherwise: ErrorHandler = answerHttpException,
): ErrorHandler {
  return (error, context) => {
    const refusal = errorResponse(error, options);
    if (refusal === undefined) return otherwise(error, context);
    return new Response(JSON.stringify(refusal.body), { status: refusal.status, headers: refusal.headers });
  };
}

function answerHttpException(error: Error): Response {
  const { getResponse } = error as { getResponse?: () => Response };
  if (typeof getResponse === 'function') return getResponse.call(error);
  throw error;
}

/**
 * Returns a middleware for Hono 4 that stores the responses of what comes after it, and answers later requests from the
 * store. Put it after the middlewares that find out who calls, and directly before the handler.
 *
 * Requests that may say who calls (a cookie, `Authorization`, `c.get('user')`, any header that is not known to be anonymous)
 * are answered by the handler, unless `identity` or `shared` says whose response it is, or the handler marks it `public`.
 *
 * @throws OptionsError
 * @example
 * app.get('/products/:id', cacheResponse({ caching, ttl: '1m', tags: ['products'] }), async (c) =>
 *   c.json(await products.find(c.req.param('id'))),
 * );
 */
export function cacheResponse(options: ResponseCacheOptions<Context>): MiddlewareHandler {
  const cache = new ResponseCache<Context>(options, 'cacheResponse({ ... })');
  return async (context, next) => {
    let hasRun = false;
    const handle: Handle = async (hold) => {
      hasRun = true;
      const before = fieldsOf(context.res.headers);
      hideConditions(context);
      await next();
      const response = context.res;
      const head = { status: response.status, headers: changedFields(before, fieldsOf(response.headers)) };
      const cacheStatus = hold.judge(head);
      if (cacheStatus !== undefined) {
        replace(context, new Response(response.body, response), { 'cache-status': cacheStatus });
        return undefined;
      }
      if (response.body === null) return { ...head, body: new Uint8Array(0) };
      const { whole, rest } = await readUpTo(response.body, hold.maxBytes);
      if (whole !== undefined) return { ...head, body: whole };
      replace(context, new Response(ReadableStream.from(rest), response), {});
      return undefined;
    };
    const reply = await cache.respond(describe(context), context, handle);
    if (reply.kind === 'bypass') {
      await next();
      replace(context, new Response(context.res.body, context.res), { 'cache-status': reply.cacheStatus });
    } else if (reply.kind === 'send') {
      const { status, headers } = reply.response;
      const base = hasRun ? context.res.headers : context.newResponse(null).headers;
      const body = bodyOf(reply.response, context.req.method);
      replace(context, new Response(body, { status, headers: new Headers(base) }), headers);
    }
  };
}

/**
 * Returns a handler for Hono 4 by which programs that do not use this library invalidate, as `invalidationRoute` of
 * 'cachement/http' does.
 *
 * @throws OptionsError
 * @example
 * app.all('/cache/invalidate', invalidationRoute({ caching, secret: process.env.INVALIDATION_SECRET ?? '' }));
 */
export function invalidationRoute(options: InvalidationRouteOptions): Handler {
  const answer = fetchInvalidationRoute(options);
  return (context) => answer(context.req.raw);
}

/** Sets the response as it is: Hono would merge the headers of the one that it replaces. */
function replace(context: Context, response: Response, headers: HeaderFields): void {
  for (const [name, value] of Object.entries(headers)) {
    response.headers.delete(name);
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) response.headers.append(name, one);
  }
  context.res = undefined;
  context.res = response;
}

function bodyOf({ status, body }: WholeResponse, method: string): Uint8Array<ArrayBuffer> | null {
  return status === 204 || status === 304 || method === 'HEAD' ? null : new Uint8Array(body);
}

function describe(context: Context): CacheableRequest {
  const { origin, pathname, search } = new URL(context.req.url);
  const { incoming } = (context.env ?? {}) as { incoming?: { socket?: unknown } };
  return {
    method: context.req.method,
    origin,
    target: `${pathname}${search}`,
    headers: fieldsOf(context.req.raw.headers),
    identifiedBy: () =>
      callerProperty((name) => context.get(name) as unknown) ??
      (hasClientCertificate(incoming?.socket) ? 'client certificate' : undefined),
  };
}

/** `Set-Cookie` is the one header that is several fields here. */
function fieldsOf(headers: Headers): HeaderFields {
  const cookies = headers.getSetCookie();
  return { ...Object.fromEntries(headers), ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }) };
}

/** A handler or a middleware that answers 304 makes no body for others. They are checked when the response is sent. */
function hideConditions({ req }: Context): void {
  const headers = new Headers(req.raw.headers);
  if (!headers.has('if-none-match') && !headers.has('if-modified-since')) return;
  headers.delete('if-none-match');
  headers.delete('if-modified-since');
  req.raw = new Request(req.raw, { headers });
}
