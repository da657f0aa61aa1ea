import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  LoadShedError,
  LockNotObtainedError,
  LockUnavailableError,
  RateLimitExceededError,
  StoreUnavailableError,
} from '../../core/shared/errors.js';
import { parseOptions } from '../../core/shared/option-schema.js';
import { errorResponse, errorResponseOptions, type ErrorResponseOptions } from '../http/error-response.js';

/**
 * Answers HTTP requests that were refused, on Express and Fastify, as `errorResponse` of 'cachement/http' does: 429 for a
 * used-up rate limit with its headers, 409 for a lock that others hold, 503 for a store that does not answer. For GraphQL
 * and microservices it does nothing: the error goes where it went without the filter.
 *
 * `CachingModule` registers it for the whole application.
 *
 * @throws OptionsError
 * @example
 * app.useGlobalFilters(new CachingExceptionFilter(app.get(HttpAdapterHost), { lockStatus: 423 }));
 */
export class CachingExceptionFilter implements ExceptionFilter {
  readonly #host: HttpAdapterHost;
  readonly #options: ErrorResponseOptions;

  constructor(host: HttpAdapterHost, options: ErrorResponseOptions = {}) {
    parseOptions(errorResponseOptions, options, 'new CachingExceptionFilter(host, { ... })');
    this.#host = host;
    this.#options = options;
  }

  catch(error: unknown, context: ArgumentsHost): void {
    if (context.getType<string>() !== 'http') return;
    const refusal = errorResponse(error, this.#options);
    if (refusal === undefined) return;
    const { httpAdapter } = this.#host;
    const response: unknown = context.switchToHttp().getResponse();
    if (httpAdapter.isHeadersSent(response)) {
      httpAdapter.end(response);
      return;
    }
    for (const [name, value] of Object.entries(refusal.headers)) setHeader(response, name, value);
    httpAdapter.reply(response, refusal.body, refusal.status);
  }

  static {
    Catch(
      RateLimitExceededError,
      LockNotObtainedError,
      StoreUnavailableError,
      LoadShedError,
      LockUnavailableError,
    )(this);
    // For `@UseFilters(CachingExceptionFilter)`.
    Inject(HttpAdapterHost)(this, undefined, 0);
  }
}

/** Middleware on Fastify has the response of Node.js, as Express always has. */
function setHeader(response: unknown, name: string, value: string): void {
  const { setHeader, header } = response as Record<
    'setHeader' | 'header',
    ((...args: string[]) => void) | undefined
  >;
  (header ?? setHeader)?.call(response, name, value);
}
