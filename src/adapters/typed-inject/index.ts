import type { Injector } from 'typed-inject';
import type { Caching } from '../../core/caching.js';
import { bindResolved } from '../../decorators/shared/bind-resolved.js';

/** The token. */
const TOKEN = 'caching';

/** What an injector provides, and `caching`. */
export type WithCaching<TContext> = Omit<TContext, 'caching'> & { readonly caching: Caching };

/**
 * Makes a child injector that provides `caching` under the token `caching`, and binds every instance that it or one of
 * its children makes. An instance is bound to the `caching` of the injector that makes it: a child may provide another
 * one. Provide it first: what the injectors above make is not bound.
 *
 * (Injectors do not report what they make, so the methods of the new injector and its children are wrapped. The given
 * injector is not changed.)
 *
 * @returns the child injector
 * @example
 * const injector = provideCaching(createInjector(), caching).provideClass('users', Users);
 * const users = injector.resolve('users');
 */
export function provideCaching<TContext>(
  injector: Injector<TContext>,
  caching: Caching,
): Injector<WithCaching<TContext>> {
  return watch(injector.provideValue(TOKEN, caching)) as unknown as Injector<WithCaching<TContext>>;
}

const MAKERS = ['injectClass', 'injectFunction'] as const;
const PARENTS = ['provideValue', 'provideClass', 'provideFactory', 'createChildInjector'] as const;

type Method = (...args: unknown[]) => unknown;

function watch(injector: object): object {
  const methods = injector as Record<string, Method>;
  const find = methods['resolve']!.bind(injector, TOKEN);
  for (const name of MAKERS) {
    const make = methods[name]!.bind(injector);
    methods[name] = (...args) => {
      const made = make(...args);
      bindResolved(made, find);
      return made;
    };
  }
  for (const name of PARENTS) {
    const provide = methods[name]!.bind(injector);
    methods[name] = (...args) => watch(provide(...args) as object);
  }
  return injector;
}
