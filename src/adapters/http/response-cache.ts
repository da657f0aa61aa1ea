import type { CacheEngine } from '../../core/cache/cache-engine.js';
import type { CachePolicy } from '../../core/cache/cache-options.js';
import { currentLoad } from '../../core/cache/load-context.js';
import { normaliseTags } from '../../core/cache/tags.js';
import { logicalKey } from '../../core/keys/key.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError, StoreUnavailableError } from '../../core/shared/errors.js';
import { parseOptions } from '../../core/shared/option-schema.js';
import { parseCacheControl } from './cache-control.js';
import { checkCaching } from './hit-counter.js';
import { cacheStatus } from './cache-status.js';
import { field, type CacheableRequest, type ResponseHead, type WholeResponse } from './http-message.js';
import { addressHeaders, callerHint, type Audience } from './request-audience.js';
import { responseCacheOptions, type ResponseCacheOptions } from './response-cache-options.js';
import { toResponse } from './response-headers.js';
import { NotSharedError, OwnHandler, RequestOverError, type Handle } from './own-handler.js';
import { judge, toStored, variantOf, type StoredResponse, type Verdict } from './storable-response.js';

/** What the adapter of a framework does with a request. */
export type Reply =
  /** It sends this response. If its handler has run, it drops the response that it has held back. */
  | { readonly kind: 'send'; readonly response: WholeResponse }
  /** Its own handler has run, and the response has passed through. */
  | { readonly kind: 'handled' }
  /** It runs its handler and touches nothing but the header `Cache-Status`. */
  | { readonly kind: 'bypass'; readonly cacheStatus: string };

/** Changes with the meaning of StoredResponse and of the key, so that releases do not read each other's entries. */
const FORMAT = '1';
/** A response that varies by headers that others of its key do not vary by, and so on. */
const MAX_VARIANT_DEPTH = 4;
const NEVER = { by: 'never' } as const;
const DEFAULT_STATUSES = [200, 203, 204, 300, 301, 308];
/** Headers and the encoding of the body come on top of it. */
const maxValueBytes = (maxBytes: number): number => 2 * maxBytes + 256 * 1_024;

/**
 * The cache behind `cacheResponse` of each framework: a request description in, a response out. The handler runs within
 * the load of the first request of its key; the others of the key get the stored response. If it is not to be stored,
 * they run their own handlers.
 */
export class ResponseCache<Request> {
  readonly #engine: CacheEngine;
  readonly #policy: CachePolicy;
  readonly #options: ResponseCacheOptions<Request>;
  readonly #label: string;
  readonly #now: () => number;
  readonly #tags: readonly string[];
  readonly #vary: readonly string[];
  readonly #varySet: ReadonlySet<string>;
  readonly #ignored: ReadonlySet<string>;
  readonly #statuses: ReadonlySet<number>;
  readonly #maxBytes: number;
  readonly #maxAge: number | undefined;

  /**
   * @param label names the call in errors: `cacheResponse({ ... })`
   * @param now ms since 1970, for `Age`: it is compared between processes
   * @throws OptionsError
   */
  constructor(options: ResponseCacheOptions<Request>, label: string, now: () => number = Date.now) {
    const parsed = parseOptions(responseCacheOptions, options, label);
    checkCaching(options.caching, label);
    const { maxBytes = 1024 * 1024, uncacheableTtl = 10_000, tags } = parsed;
    this.#engine = options.caching.engines.cache;
    const limits = { negativeTtl: uncacheableTtl, maxValueBytes: maxValueBytes(maxBytes) };
    // A handler runs for its own request only: it cannot run in the background, and no call leaves it.
    const untimed = { grace: 0, softTimeout: undefined, hardTimeout: undefined, refreshAhead: NEVER };
    this.#policy = { ...this.#engine.policy({ ...parsed, ...limits }, label), ...untimed };
    this.#options = options;
    this.#label = label;
    this.#now = now;
    this.#tags = typeof tags === 'function' ? [] : normaliseTags(tags, label);
    this.#vary = [...new Set(parsed.vary)].sort();
    this.#varySet = new Set(this.#vary);
    this.#ignored = new Set([...this.#vary, ...(parsed.ignoreHeaders ?? [])]);
    this.#statuses = new Set(parsed.statuses ?? DEFAULT_STATUSES);
    this.#maxBytes = maxBytes;
    this.#maxAge = parsed.maxAge;
  }

  /**
   * Answers a request, from the cache if it may.
   *
   * @param raw the request of the framework, for the functions of the options
   * @throws what the handler and the functions of the options throw; OptionsError; LoadShedError
   */
  async respond(request: CacheableRequest, raw: Request, handle: Handle): Promise<Reply> {
    const reason = this.#reasonToBypass(request);
    if (reason !== undefined) return bypass(reason);
    const audience = this.#audienceOf(request, raw);
    const key = this.#keyParts(request, audience);
    if (request.method === 'HEAD') return this.#answerHead(request, audience, key);
    const own = new OwnHandler({
      handle,
      maxBytes: this.#maxBytes,
      now: this.#now,
      judge: (head) => this.#judge(head, audience, request),
      toStored: (response, lifetime, at) => toStored(response, lifetime, request.headers, this.#varySet, at),
    });
    return this.#answerGet(request, raw, audience, key, own);
  }

  #reasonToBypass({ method, headers }: CacheableRequest): string | undefined {
    if (method !== 'GET' && method !== 'HEAD') return `method ${method}`;
    if (headers['range'] !== undefined) return 'range';
    const hasBody =
      headers['transfer-encoding'] !== undefined || (field(headers, 'content-length') ?? '0') !== '0';
    if (hasBody) return 'body';
    const refuses = parseCacheControl(field(headers, 'cache-control') ?? '').has('no-store');
    return this.#options.allowRefresh === true && refuses ? 'no-store' : undefined;
  }

  #audienceOf(request: CacheableRequest, raw: Request): Audience {
    const { identity, shared } = this.#options;
    if (shared === true) return { kind: 'shared' };
    const id: unknown = identity?.(raw);
    if (id !== undefined) {
      if (typeof id === 'string' && id !== '') return { kind: 'identity', id };
      throw new OptionsError(
        `identity of ${this.#label} returns the id of the caller, a string that is not empty, or undefined; it has ` +
          `returned ${describe(id)}.`,
      );
    }
    const by = callerHint(request, this.#ignored);
    return by === undefined ? { kind: 'anonymous' } : { kind: 'unidentified', by };
  }

  #keyParts({ origin, target, headers }: CacheableRequest, audience: Audience): readonly string[] {
    return [
      'http',
      FORMAT,
      audience.kind,
      // guard: identity-is-part-of-the-key
      ...(audience.kind === 'identity' ? [audience.id] : []),
      origin,
      this.#targetOf(target),
      // guard: address-headers-are-part-of-the-key
      addressHeaders(headers).join('\n'),
      this.#vary.length === 0 ? '' : `${this.#vary.join()}=${variantOf(headers, this.#vary)}`,
    ];
  }

  #targetOf(target: string): string {
    const { query } = this.#options;
    if (query === undefined) return target;
    const [path = '', ...given] = target.split('?');
    const all = new URLSearchParams(given.join('?'));
    const kept = [...new Set(query)]
      .sort()
      .flatMap((name) => all.getAll(name).map((value): [string, string] => [name, value]));
    return `${path}?${new URLSearchParams(kept).toString()}`;
  }

  #judge(head: ResponseHead, audience: Audience, request: CacheableRequest): Verdict {
    // The handler may have found out who calls.
    const isKnown = audience.kind === 'anonymous' && callerHint(request, this.#ignored) !== undefined;
    const kind = isKnown ? 'unidentified' : audience.kind;
    return judge(head, { audience: kind, statuses: this.#statuses, ttl: this.#policy.ttl, now: this.#now() });
  }

  /** A handler that runs for HEAD makes no body that could be stored, so only what is stored is looked at. */
  async #answerHead(request: CacheableRequest, audience: Audience, key: readonly string[]): Promise<Reply> {
    try {
      let parts = key;
      for (let depth = 0; depth < MAX_VARIANT_DEPTH; depth++) {
        const stored = await this.#peek(parts);
        if (stored === undefined || stored === null) break;
        if (answers(stored, request)) return this.#send(stored, request, audience, 'hit');
        parts = variantKey(parts, stored, request);
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
    return bypass('method HEAD');
  }

  async #answerGet(
    request: CacheableRequest,
    raw: Request,
    audience: Audience,
    key: readonly string[],
    own: OwnHandler,
  ): Promise<Reply> {
    let parts = key;
    for (let depth = 0; depth < MAX_VARIANT_DEPTH; depth++) {
      const found = await this.#load(request, raw, parts, own);
      // A call whose loader runs may have got the result of another load.
      // guard: request-whose-handler-runs-gets-its-own-response
      if (own.isStarted) return this.#sendOwn(request, audience, own, 'stored');
      if (found === null) break;
      if (answers(found, request)) {
        own.end();
        return this.#send(found, request, audience, 'hit');
      }
      parts = variantKey(parts, found, request);
    }
    const reply = await this.#sendOwn(request, audience, own, 'miss');
    if (reply.kind === 'send') await this.#forgetUncacheable(parts);
    return reply;
  }

  /**
   * Returns the stored response of a key, which it loads by the own handler of the request if there is none. Null: what was
   * loaded is for nobody else.
   */
  async #load(
    request: CacheableRequest,
    raw: Request,
    parts: readonly string[],
    own: OwnHandler,
  ): Promise<StoredResponse | null> {
    const { tags } = this.#options;
    const key = this.#keyOf(parts);
    if (this.#isRefresh(request)) await this.#invalidate(key);
    const load = async (): Promise<StoredResponse | null> => {
      const stored = await own.load();
      // A response may state a shorter lifetime.
      if (stored !== null) currentLoad()?.set({ ttl: stored.lifetime });
      return stored;
    };
    const tagsOf = (stored: StoredResponse | null): readonly string[] =>
      stored === null || typeof tags !== 'function' ? [] : normaliseTags(tags(raw, stored), this.#label);
    const resultTags = typeof tags === 'function' ? tagsOf : undefined;
    for (;;) {
      try {
        return await this.#engine.read<StoredResponse | null>({
          key,
          load,
          tags: this.#tags,
          resultTags,
          unless: undefined,
          policy: this.#policy,
          bulkhead: undefined,
          signal: undefined,
          method: undefined,
          site: undefined,
        });
      } catch (error) {
        if (error instanceof NotSharedError) return null;
        if (error instanceof RequestOverError) {
          if (own.isStarted) return null;
          // guard: client-that-leaves-ends-its-own-request-only
          continue;
        }
        // The tags threw, or the load was shed. A response that has passed through needs nothing more.
        if (own.isStarted && (await own.run()) === undefined) return null;
        throw error;
      }
    }
  }

  async #sendOwn(
    request: CacheableRequest,
    audience: Audience,
    own: OwnHandler,
    from: 'stored' | 'miss',
  ): Promise<Reply> {
    try {
      const stored = await own.run();
      return stored === undefined ? { kind: 'handled' } : this.#send(stored, request, audience, from);
    } catch (error) {
      if (error instanceof RequestOverError) return { kind: 'handled' };
      throw error;
    }
  }

  /** The key may say that its responses are not stored, and one that can be has come. */
  async #forgetUncacheable(parts: readonly string[]): Promise<void> {
    try {
      if ((await this.#peek(parts)) === null) await this.#invalidate(this.#keyOf(parts));
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }

  /** Null: responses of this key are not stored. */
  async #peek(parts: readonly string[]): Promise<StoredResponse | null | undefined> {
    const found = await this.#engine.peek(this.#keyOf(parts), this.#policy);
    return found.status === 'hit' ? (found.value as StoredResponse | null) : undefined;
  }

  async #invalidate(key: string): Promise<void> {
    await this.#engine.invalidate({ keys: [key], tags: [], all: false }, undefined);
  }

  #send(
    stored: StoredResponse,
    request: CacheableRequest,
    audience: Audience,
    from: 'hit' | 'stored' | 'miss',
  ): Reply {
    const terms = { audience: audience.kind, vary: this.#vary, maxAge: this.#maxAge, now: this.#now(), from };
    return { kind: 'send', response: toResponse(stored, request.headers, terms) };
  }

  #isRefresh({ headers }: CacheableRequest): boolean {
    if (this.#options.allowRefresh !== true) return false;
    const directives = parseCacheControl(field(headers, 'cache-control') ?? field(headers, 'pragma') ?? '');
    return directives.has('no-cache') || directives.get('max-age') === '0';
  }

  #keyOf(parts: readonly string[]): string {
    return logicalKey(parts, this.#label);
  }
}

function bypass(reason: string): Reply {
  return { kind: 'bypass', cacheStatus: cacheStatus({ fwd: 'bypass', detail: reason }) };
}

/** True if the request has the headers by which the response varies. */
function answers(stored: StoredResponse, { headers }: CacheableRequest): boolean {
  return stored.variant === variantOf(headers, stored.vary);
}

/** Where the response to this request is, if the one at `parts` is for other values of the headers in its `Vary`. */
function variantKey(
  parts: readonly string[],
  { vary }: StoredResponse,
  { headers }: CacheableRequest,
): readonly string[] {
  return [...parts, `${vary.join()}=${variantOf(headers, vary)}`];
}
