import { Caching, CachingDefaults } from '../../src/index.js';

declare const caching: Caching;

// error: 'key' does not exist in type 'CachingDefaultsOptions<
@CachingDefaults({ key: 'user:{0}' })
export class HasKey {}

// error: 'tll' does not exist in type 'CachingDefaultsOptions<
@CachingDefaults({ tll: '1m' })
export class Misspelled {}

// error: is not assignable to type 'Duration | undefined'
@CachingDefaults({ ttl: 'soon' })
export class WrongTtl {}

// error: Type '() => string' is not assignable to type 'Duration | undefined'
@CachingDefaults({ ttl: () => '1m' })
export class TtlOfResult {}

// error: tags of a class are fixed names: give a template to the method
@CachingDefaults({ tags: ['users', 'user:{0}'] })
export class Template {}

// error: Type 'string' is not assignable to type
@CachingDefaults({ tags: 'users' })
export class OneTag {}

// error: is not assignable to type
@CachingDefaults({ tags: (user: string) => [user] })
export class Callback {}

// error: Type 'true' is not assignable to type 'false | readonly string[] | undefined'
@CachingDefaults({ context: true })
export class Context {}

// error: Property 'caching' does not exist on type
@CachingDefaults({ cache: (self) => self.caching })
export class NoField {}

// error: Type '"ignore"' is not assignable to type '"bypass" | "throw" | undefined'
@CachingDefaults({ onKeyError: 'ignore' })
export class OnKeyError {}

// error: Expected 1 arguments, but got 0
@CachingDefaults()
export class Nothing {}

export class Method {
  // error(legacy): Unable to resolve signature of method decorator when called as an expression
  // error(standard): Unable to resolve signature of method decorator when called as an expression
  @CachingDefaults({ cache: caching })
  async find(): Promise<void> {}
}
