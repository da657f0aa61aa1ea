import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caching } from '../../core/caching.js';
import { invalidationTarget, type InvalidationTargetOptions } from '../../core/cache/cache.js';
import { withContext, type ContextParts } from '../../core/keys/context.js';
import { nodeCrypto } from '../../core/shared/builtin-modules.js';
import { KeyError, MissingContextError, OptionsError } from '../../core/shared/errors.js';
import { integer, parseOptions, unchecked, type Option } from '../../core/shared/option-schema.js';
import { readUpTo } from './body-limit.js';

export interface InvalidationRouteOptions {
  /** The `Caching` whose entries are invalidated. It is not closed with the server. */
  readonly caching: Caching;
  /**
   * What the caller sends as `Authorization: Bearer <secret>`: 16 or more visible ASCII characters. Of a list, each is
   * accepted, so that a secret can be replaced: add the new one, change the callers, remove the old one.
   */
  readonly secret: string | readonly string[];
  /** A larger body is refused with 413, in bytes. Fastify has a limit of its own, `bodyLimit`. @default 1_048_576 */
  readonly maxBytes?: number | undefined;
}

/** The schema of `InvalidationRouteOptions`: names, checks and defaults. */
export const invalidationRouteOptions = {
  caching: unchecked<Caching>('a Caching'),
  // Checked without naming the value in the message.
  secret: unchecked<string | readonly string[]>(
    'a string of 16 or more visible ASCII characters, or a list of them',
  ),
  maxBytes: integer({ min: 1, of: 'bytes', default: 1_048_576 }),
} satisfies Record<keyof InvalidationRouteOptions, Option<unknown>>;

/** The response to a request for an invalidation. */
export interface InvalidationAnswer {
  readonly status: 200 | 400 | 401 | 405 | 413 | 503;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. For 200 `{ acknowledged: true }`, otherwise problem details (RFC 9457). */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request for an invalidation, as the adapter of a framework describes it. */
interface InvalidationRequest {
  readonly method: string;
  readonly authorization: string | undefined;
  /** Called only for a caller that has the secret. Undefined: the body is too large. */
  readonly body: () => Promise<ParsedBody | Buffer | undefined>;
}

/** A body that the framework has parsed already. */
export interface ParsedBody {
  readonly parsed: unknown;
}

/** What can be said in JSON. */
const bodyOptions = {
  keys: invalidationTarget.keys,
  tags: invalidationTarget.tags,
  all: invalidationTarget.all,
  context: unchecked<ContextParts>('an object of parts'),
};
const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  503: 'Service Unavailable',
} as const;
const MIN_SECRET_LENGTH = 16;
const EXAMPLE = `{"keys":["user:42"],"tags":["users"]} or {"all":true}`;

/** Answers requests for invalidations. The frameworks differ only in how they read a request and send the answer. */
export class InvalidationRoute {
  readonly #caching: Caching;
  readonly #digests: readonly Buffer[];
  readonly maxBytes: number;

  /** @throws OptionsError */
  constructor(options: InvalidationRouteOptions) {
    const label = 'invalidationRoute({ ... })';
    const { caching, secret, maxBytes = 1_048_576 } = parseOptions(invalidationRouteOptions, options, label);
    if (typeof caching?.cache?.invalidate !== 'function') {
      throw new OptionsError(`${label} needs the option caching: a Caching.`);
    }
    this.#caching = caching;
    this.#digests = readSecrets(secret, label).map(digestOf);
    this.maxBytes = maxBytes;
  }

  /** Never rejects for a mistake of the caller or a store that does not answer. */
  async answer({ method, authorization, body }: InvalidationRequest): Promise<InvalidationAnswer> {
    if (method !== 'POST')
      return problem(405, `This route takes POST, and got ${method}.`, { Allow: 'POST' });
    if (!this.#isAuthorized(authorization)) {
      const detail = 'Send the secret of this route as "Authorization: Bearer <secret>".';
      return problem(401, detail, { 'WWW-Authenticate': 'Bearer' });
    }
    const content = await body();
    if (content === undefined)
      return problem(413, `The body has more than ${this.maxBytes} bytes. Send less at a time.`);
    try {
      return await this.#invalidate(targetIn(content));
    } catch (error) {
      const isMistake =
        error instanceof OptionsError || error instanceof KeyError || error instanceof MissingContextError;
      if (!isMistake) throw error;
      return problem(400, `${error.message} The body is JSON, such as ${EXAMPLE}.`);
    }
  }

  /** Compares digests, whose length and comparison tell nothing about a secret. */
  #isAuthorized(authorization = ''): boolean {
    const [, sent] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    if (sent === undefined) return false;
    const digest = digestOf(sent);
    // guard: invalidation-route-needs-the-secret
    return this.#digests.some((known) => nodeCrypto().timingSafeEqual(known, digest));
  }

  async #invalidate({ context = {}, ...target }: Target): Promise<InvalidationAnswer> {
    const { acknowledged } = await withContext(context, () => this.#caching.cache.invalidate(target));
    // guard: invalidation-route-acknowledges-nothing-by-itself
    if (acknowledged) return { status: 200, headers: headersOf('application/json'), body: { acknowledged } };
    const detail =
      'Redis has not confirmed the invalidation. It is queued in this process, and sent when Redis answers. Until then ' +
      'other processes may return old values. Repeat the request until it is acknowledged.';
    return problem(503, detail, { 'Retry-After': '1' }, { acknowledged });
  }
}

type Target = InvalidationTargetOptions & { readonly context?: ContextParts | undefined };

/** @throws OptionsError */
function targetIn(content: ParsedBody | Buffer): Target {
  const value = 'parsed' in content ? content.parsed : parse(content.toString());
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionsError('The body is not a JSON object.');
  }
  const target = parseOptions(bodyOptions, value, 'the body');
  if (target.all !== true && (target.keys ?? []).length === 0 && (target.tags ?? []).length === 0) {
    throw new OptionsError('The body names nothing to invalidate: no keys, no tags, and not all.');
  }
  return target;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problem(
  status: keyof typeof TITLES,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): InvalidationAnswer {
  const body = { type: 'about:blank', title: TITLES[status], status, detail, ...more };
  return { status, headers: { ...headersOf('application/problem+json'), ...headers }, body };
}

function headersOf(contentType: string): Readonly<Record<string, string>> {
  return { 'Content-Type': contentType, 'Cache-Control': 'no-store' };
}

/** @throws OptionsError, which has nothing of a secret */
function readSecrets(secret: unknown, label: string): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const isSecret = (one: unknown): one is string =>
    typeof one === 'string' && one.length >= MIN_SECRET_LENGTH && /^[\x21-\x7e]+$/.test(one);
  // guard: invalidation-route-refuses-weak-secrets
  if (secrets.length === 0 || !secrets.every(isSecret)) {
    throw new OptionsError(
      `secret of ${label} is ${invalidationRouteOptions.secret.accepts}. Make one with: openssl rand -base64 32`,
    );
  }
  return secrets as readonly string[];
}

function digestOf(secret: string): Buffer {
  return nodeCrypto().createHash('sha256').update(secret).digest();
}

/**
 * Returns a handler by which programs that do not use this library invalidate: a `POST` with
 * `Authorization: Bearer <secret>` and a JSON body of `keys`, `tags`, `all` and `context`. A key is a complete key, or a list
 * of parts, which are escaped. For every server that takes a `Request` and returns a `Response`.
 *
 * It answers 200 with `{"acknowledged":true}`; 400 for a body that says nothing or something else; 401 without the secret;
 * 405, 413; and 503 while Redis has not confirmed the invalidation.
 *
 * @throws OptionsError
 * @example
 * const invalidate = invalidationRoute({ caching, secret: process.env.INVALIDATION_SECRET ?? '' });
 * const answer = await invalidate(new Request('http://localhost/', { method: 'POST' })); // its status is 401
 */
export function invalidationRoute(
  options: InvalidationRouteOptions,
): (request: Request) => Promise<Response> {
  const route = new InvalidationRoute(options);
  return async (request) => {
    const { status, headers, body } = await route.answer({
      method: request.method,
      authorization: request.headers.get('authorization') ?? undefined,
      body: async () => {
        if (request.body === null) return Buffer.alloc(0);
        return (await readUpTo(request.body, route.maxBytes)).whole;
      },
    });
    return new Response(JSON.stringify(body), { status, headers });
  };
}

/** A handler of Node.js, Express and NestJS. */
export type InvalidationHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** The same for a request of Node.js, whose body may have been parsed by an earlier middleware. */
export function nodeInvalidationRoute(options: InvalidationRouteOptions): InvalidationHandler {
  const route = new InvalidationRoute(options);
  return (request, response, next) => {
    const { body: parsed } = request as { body?: unknown };
    route
      .answer({
        method: request.method ?? '',
        authorization: request.headers.authorization,
        body: async () =>
          parsed === undefined ? (await readUpTo(request, route.maxBytes)).whole : bodyOf(parsed),
      })
      .then(({ status, headers, body }) => {
        response.writeHead(status, headers).end(JSON.stringify(body));
      })
      .catch(next);
  };
}

/** What a parser of the framework has made of a body: text and bytes are JSON, anything else has been parsed. */
export function bodyOf(parsed: unknown): ParsedBody | Buffer {
  if (typeof parsed === 'string') return Buffer.from(parsed);
  return Buffer.isBuffer(parsed) ? parsed : { parsed };
}
