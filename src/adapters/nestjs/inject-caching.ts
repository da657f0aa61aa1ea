import { Inject } from '@nestjs/common';

/** The name of the runtime that has none. */
export const DEFAULT_NAME = 'default';

/**
 * Returns the injection token of a runtime: for `inject` of a factory, and for `moduleRef.get`. All copies of this package
 * have the same tokens.
 *
 * @param name the `name` of `CachingModule.forRoot`. @default the default one, whose token is also the class `Caching`
 * @example
 * const reports = app.get<Caching>(cachingToken('reports'));
 */
export function cachingToken(name: string = DEFAULT_NAME): symbol {
  return Symbol.for(`cachement.nestjs/${name}`);
}

/**
 * Injects a `Caching` into a constructor parameter or a property.
 *
 * @param name the `name` of `CachingModule.forRoot`. @default the default one
 * @example
 * class Sales {
 *   constructor(@InjectCaching('reports') readonly reports: Caching) {}
 * }
 */
export function InjectCaching(name: string = DEFAULT_NAME): PropertyDecorator & ParameterDecorator {
  return Inject(cachingToken(name));
}
