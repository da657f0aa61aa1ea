import { Caching, cachingOptions, type CachingOptions } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { custom, flag, parseOptions, text, unchecked, type Option } from '../../core/shared/option-schema.js';
import type { ErrorResponseOptions } from '../http/error-response.js';
import { DEFAULT_NAME } from './inject-caching.js';

/** What `CachingModule` itself is told, beside the options of its `Caching`. */
export interface RootOptions {
  /**
   * The name of this runtime, for `CachingModule.forFeature(name)` and `@InjectCaching(name)`. A runtime with a name is used
   * by the modules that name it, and by no other.
   * @default 'default'
   */
  readonly name?: string | undefined;
  /** False: only the modules that import this module use it. @default true */
  readonly isGlobal?: boolean | undefined;
  /**
   * The options of the `CachingExceptionFilter` that this module registers for the application. False: it registers none.
   * @default {}
   */
  readonly filter?: false | ErrorResponseOptions | undefined;
}

/** The module makes a `Caching`, and closes it with the application. */
export interface NewCachingOptions extends CachingOptions, RootOptions {
  readonly caching?: undefined;
}

/** The application has made the `Caching`, and closes it. */
export interface ExistingCachingOptions
  extends RootOptions, Readonly<Partial<Record<keyof CachingOptions, undefined>>> {
  /** The `Caching` to use. The module does not close it. @default a new one, with the other options */
  readonly caching: Caching;
}

/** The options of `CachingModule.forRoot`. */
export type CachingModuleOptions = NewCachingOptions | ExistingCachingOptions;

/** The schema of `RootOptions`: names, checks and defaults. */
export const rootOptions = {
  name: text('reports', DEFAULT_NAME),
  isGlobal: flag(true),
  filter: custom<false | ErrorResponseOptions>(
    'false or an object of options',
    (value) =>
      value === false || (typeof value === 'object' && value !== null)
        ? (value as ErrorResponseOptions | false)
        : undefined,
    undefined,
  ),
} satisfies Record<keyof RootOptions, Option<unknown>>;

/** The schema of `CachingModuleOptions`. */
export const cachingModuleOptions = {
  ...cachingOptions,
  ...rootOptions,
  caching: unchecked<Caching>('a Caching'),
} satisfies Record<keyof CachingOptions | keyof ExistingCachingOptions, Option<unknown>>;

/**
 * Separates what the module is told from the options of its `Caching`.
 * @throws OptionsError
 */
export function splitOptions(
  options: CachingModuleOptions,
  label: string,
): { readonly root: RootOptions; readonly source: Caching | CachingOptions } {
  parseOptions(cachingModuleOptions, options, label);
  const { name, isGlobal, filter, caching, ...rest } = options;
  const root = { name, isGlobal, filter };
  if (caching === undefined) return { root, source: rest as CachingOptions };
  if (!Caching.is(caching)) {
    throw new OptionsError(`caching of ${label} is a Caching, and ${describe(caching)} was given.`);
  }
  const [extra] = Object.keys(rest);
  if (extra === undefined) return { root, source: caching };
  throw new OptionsError(
    `${label} has the options caching and ${extra}. A Caching that exists has its options already: leave out one of the two.`,
  );
}
