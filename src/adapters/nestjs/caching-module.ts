import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { Caching, cachingTokens, type CachingOptions } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { parseOptions, unchecked, type Option } from '../../core/shared/option-schema.js';
import { brand } from '../../core/shared/registry.js';
import { CachingRuntime } from './caching-runtime.js';
import { CachingExceptionFilter } from './exception-filter.js';
import { CachingHealthIndicator } from './health-indicator.js';
import { cachingToken, DEFAULT_NAME } from './inject-caching.js';
import { rootOptions, splitOptions, type CachingModuleOptions, type RootOptions } from './module-options.js';
import { ROLE, type Role } from './module-runtimes.js';

/** What a runtime is made of: a `Caching` that the application closes, or the options of one that the module closes. */
export type CachingSource = Caching | CachingOptions;

/** The class of `useClass` and `useExisting`. */
export interface CachingOptionsFactory {
  createCachingOptions(): CachingSource | Promise<CachingSource>;
}

type Imports = NonNullable<DynamicModule['imports']>;
type Exported = NonNullable<DynamicModule['exports']>;
type Token = NonNullable<Extract<Provider, { inject?: unknown }>['inject']>[number];

/** The options of `CachingModule.forRootAsync`: one of `useFactory`, `useClass` and `useExisting`. */
export interface AsyncCachingModuleOptions extends RootOptions {
  /** Returns the options of the `Caching`, or a `Caching`. Receives what `inject` names. @default none */
  readonly useFactory?: ((...args: never[]) => CachingSource | Promise<CachingSource>) | undefined;
  /** The tokens of the arguments of `useFactory`. @default none */
  readonly inject?: Token[] | undefined;
  /** A class with `createCachingOptions()`, which this module instantiates. @default none */
  readonly useClass?: Type<CachingOptionsFactory> | undefined;
  /** The token of an object with `createCachingOptions()`, which a module of `imports` exports. @default none */
  readonly useExisting?: Type<CachingOptionsFactory> | string | symbol | undefined;
  /** The modules that export what is injected. @default none */
  readonly imports?: Imports | undefined;
}

/** The schema of `AsyncCachingModuleOptions`: names, checks and defaults. */
export const asyncCachingModuleOptions = {
  ...rootOptions,
  useFactory: unchecked<unknown>('a function'),
  inject: unchecked<unknown>('a list of injection tokens'),
  useClass: unchecked<unknown>('a class'),
  useExisting: unchecked<unknown>('an injection token'),
  imports: unchecked<unknown>('a list of modules'),
} satisfies Record<keyof AsyncCachingModuleOptions, Option<unknown>>;

/** The tokens within a runtime module that it does not export. */
const RUNTIME = brand('nestjs.runtime');
const SOURCE = brand('nestjs.source');
const IN_USE = brand('nestjs.in-use');

const SYNC = 'CachingModule.forRoot({ ... })';
const ASYNC = 'CachingModule.forRootAsync({ ... })';

/**
 * The `Caching` of a NestJS application (docs/nestjs.md). Decorated methods of providers and controllers of every scope run
 * on the one of their module. The class `Caching` is the injection token of the one without a name.
 *
 * @example
 * const imports = [CachingModule.forRoot({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' })];
 */
export class CachingModule {
  /**
   * Makes a `Caching`, or uses one that exists. The application starts when its store can be used. A `Caching` that this
   * module has made is closed when the application is.
   *
   * @param options those of `new Caching` and of this module; or a `Caching`
   * @throws OptionsError for invalid names and values; those of `new Caching` at the start of the application
   * @example
   * CachingModule.forRoot({ adapter: memory(), namespace: 'shop', defaults: { ttl: '5m' } });
   */
  static forRoot(options: CachingModuleOptions | Caching): DynamicModule {
    const { root, source } = splitOptions(Caching.is(options) ? { caching: options } : options, SYNC);
    return rootModule(root, SYNC, [{ provide: SOURCE, useFactory: () => source }]);
  }

  /**
   * The same with options that other providers know.
   *
   * @throws OptionsError
   * @example
   * CachingModule.forRootAsync({
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ adapter: ioredis(config.getOrThrow('REDIS_URL')) }),
   * });
   */
  static forRootAsync(options: AsyncCachingModuleOptions): DynamicModule {
    parseOptions(asyncCachingModuleOptions, options, ASYNC);
    return { ...rootModule(options, ASYNC, sourceOf(options)), imports: options.imports ?? [] };
  }

  /**
   * Makes the module that imports it use the runtime with this name. Its own providers and controllers do, not those of
   * modules that it imports.
   *
   * @param name the `name` of a `forRoot` that is global
   * @throws OptionsError at the start of the application, if there is no such runtime
   * @example
   * const imports = [CachingModule.forFeature('reports')];
   */
  static forFeature(name: string): DynamicModule {
    if (typeof name !== 'string' || name === '') {
      throw new OptionsError(
        `CachingModule.forFeature takes the name of a runtime, such as 'reports', and ${describe(name)} was given.`,
      );
    }
    const role: Role = { name, kind: 'feature' };
    return {
      module: CachingModule,
      providers: [
        { provide: ROLE, useValue: role },
        {
          provide: IN_USE,
          useFactory: (caching: Caching | undefined) => {
            if (caching !== undefined) return true;
            throw new OptionsError(
              `CachingModule.forFeature('${name}') found no runtime with this name. Import one in the root module: ` +
                `CachingModule.forRoot({ name: '${name}', ... }), with isGlobal not false.`,
            );
          },
          inject: [{ token: cachingToken(name), optional: true }],
        },
      ],
    };
  }

  static {
    Module({})(this);
  }
}

/** The source of the options of a runtime, under the token `SOURCE`. */
function sourceOf(options: AsyncCachingModuleOptions): Provider[] {
  const { useFactory, inject = [], useClass, useExisting } = options;
  const given = Object.entries({ useFactory, useClass, useExisting }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length !== 1) {
    const names = given.map(([name]) => name).join(' and ') || 'none of them';
    throw new OptionsError(
      `${ASYNC} takes one of useFactory, useClass and useExisting, and ${names} was given.`,
    );
  }
  if (useFactory !== undefined) return [{ provide: SOURCE, useFactory: useFactory as () => unknown, inject }];
  const create = (factory: CachingOptionsFactory) => factory.createCachingOptions();
  if (useExisting !== undefined) return [{ provide: SOURCE, useFactory: create, inject: [useExisting] }];
  return [
    { provide: useClass!, useClass: useClass! },
    { provide: SOURCE, useFactory: create, inject: [useClass!] },
  ];
}

function rootModule(options: RootOptions, label: string, source: Provider[]): DynamicModule {
  const {
    name = DEFAULT_NAME,
    isGlobal = true,
    filter = {},
  } = parseOptions(rootOptions, rootOf(options), label);
  const role: Role = { name, kind: isGlobal ? 'global' : 'local' };
  // A test that overrides the provider `Caching` overrides what decorated methods run on.
  const main = name === DEFAULT_NAME ? Caching : cachingToken(name);
  const aliases = name === DEFAULT_NAME ? [cachingToken(), ...cachingTokens().slice(1)] : [];
  const providers: Provider[] = [
    { provide: ROLE, useValue: role },
    {
      provide: RUNTIME,
      useFactory: (modules: ModulesContainer) => new CachingRuntime(role, modules),
      inject: [ModulesContainer],
    },
    ...source,
    {
      provide: main,
      useFactory: (runtime: CachingRuntime, source: CachingSource) => runtime.open(source, label),
      inject: [RUNTIME, SOURCE],
    },
    {
      provide: IN_USE,
      useFactory: (runtime: CachingRuntime, caching: Caching) => {
        runtime.use(caching);
        return true;
      },
      inject: [RUNTIME, main],
    },
    ...aliases.map((token) => ({ provide: token, useExisting: main })),
  ];
  const exported: Exported = [main, ...aliases];
  if (name === DEFAULT_NAME) {
    providers.push({
      provide: CachingHealthIndicator,
      useFactory: (caching: Caching) => new CachingHealthIndicator(caching),
      inject: [main],
    });
    exported.push(CachingHealthIndicator);
  }
  if (filter !== false) {
    providers.push({
      provide: APP_FILTER,
      useFactory: (host: HttpAdapterHost) => new CachingExceptionFilter(host, filter),
      inject: [HttpAdapterHost],
    });
  }
  return { module: CachingModule, global: isGlobal, providers, exports: exported };
}

function rootOf({ name, isGlobal, filter }: RootOptions): RootOptions {
  return { name, isGlobal, filter };
}
