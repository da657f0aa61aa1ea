import {
  CACHE_DEFAULTS,
  resolveCachePolicy,
  type CallCacheOptions,
  type CachePolicy,
} from '../../core/cache/cache-options.js';
import type { CacheEngine } from '../../core/cache/cache-engine.js';
import type { CacheHost } from '../../core/cache/cached-method.js';
import { joinTags, normaliseTags } from '../../core/cache/tags.js';
import type { valueOptions } from '../../core/cache/value-options.js';
import { KeyContext } from '../../core/keys/context.js';
import type { ParsedOptions } from '../../core/shared/option-schema.js';
import type { JoinPoint } from './around.js';
import { perClass } from './class-defaults.js';
import { compileTags, type AnyTags, type TagRenderers } from './compile-tags.js';
import { perCaching, type CachingSource } from './resolve-caching.js';

/** The options of a decorator that stores entries, parsed. */
type EntryOptions = CallCacheOptions &
  ParsedOptions<typeof valueOptions> & {
    readonly tags?: AnyTags | undefined;
    readonly sharedTags?: readonly string[] | undefined;
    readonly context?: readonly string[] | false | undefined;
    readonly cache?: CachingSource<never> | undefined;
    readonly onKeyError?: 'bypass' | 'throw' | undefined;
  };

/** How the calls of a decorated method are cached: by its options, and the defaults of a class. */
export interface CachePlan {
  readonly cache: CachingSource<never> | undefined;
  readonly onKeyError: 'bypass' | 'throw' | undefined;
  readonly tags: TagRenderers;
  readonly sharedTags: readonly string[];
  /** What follows from the defaults of a `Caching`. */
  readonly setupOf: (host: CacheHost) => {
    readonly context: KeyContext | undefined;
    readonly engine: CacheEngine;
    readonly policy: CachePolicy;
  };
}

/**
 * Checks the options of a decorator, and returns the plan of a class: that of the instance of a call.
 *
 * @param label names the decorator in errors
 * @throws OptionsError
 */
export function cachePlan(
  joinPoint: JoinPoint,
  options: EntryOptions,
  label: string,
): (self: unknown) => CachePlan {
  // Check the policy now. The ttl may still come from the defaults of the class or the Caching, so one that is long enough is assumed.
  resolveCachePolicy(options, { ...CACHE_DEFAULTS, ttl: Infinity }, label);
  compileTags(options.tags, label);
  const ownSharedTags = normaliseTags(options.sharedTags, label);
  return perClass(joinPoint, (defaults): CachePlan => {
    const { onKeyError, cache, ...merged } = { ...defaults, ...options };
    if (typeof options.ttl === 'number' && (merged.idleTtl ?? 0) > options.ttl) {
      // It is that of the class, and has no effect, as a longer one of the Caching has none.
      // guard: class-may-have-a-longer-idle-ttl
      merged.idleTtl = undefined;
    }
    return {
      cache,
      onKeyError,
      tags: compileTags(options.tags, label, defaults.tags),
      sharedTags: joinTags(ownSharedTags, defaults.sharedTags ?? []),
      setupOf: perCaching(({ engines, context }: CacheHost) => ({
        context: KeyContext.for(context, merged.context),
        engine: engines.cache,
        policy: engines.cache.policy(merged, label),
      })),
    };
  });
}
