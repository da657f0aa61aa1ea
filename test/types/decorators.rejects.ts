import { Cached, createDecorators, Invalidates, type Caching } from '../../src/index.js';

declare const caching: Caching;
declare const user: User;
declare const mark: unique symbol;

interface User {
  readonly id: string;
  readonly name: string;
  readonly age?: number;
  readonly org: { readonly no: number };
}

type Shape = { readonly kind: 'a'; readonly x: string } | { readonly kind: 'b'; readonly y: string };

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;

// The proofs of the accepts files prove something.
// error: Argument of type 'true' is not assignable to parameter of type 'never'
same<string, string | undefined>(true);
// error: Argument of type 'true' is not assignable to parameter of type 'never'
same<any, string>(true);

const bound = createDecorators(caching);

export class NotAsync {
  // error: Type 'string' is not assignable to type 'Promise<unknown>'
  @Cached()
  sync(id: string): string {
    return id;
  }
  // error: Type 'string' is not assignable to type 'Promise<string>'
  @Cached()
  mixed(id: string): string | Promise<string> {
    return id;
  }
  // error: Type 'string' is not assignable to type 'Promise<unknown>'
  @Invalidates({ all: true })
  syncInvalidates(id: string): string {
    return id;
  }
  // error: Type 'Generator<string, any, any>' is missing the following properties from type 'Promise<unknown>'
  @Cached()
  *generator(id: string): Generator<string> {
    yield id;
  }
  // error: Type 'AsyncGenerator<string, any, any>' is missing the following properties from type 'Promise<unknown>'
  @Cached()
  async *asyncGenerator(id: string): AsyncGenerator<string> {
    yield id;
  }
}

export class NoMethod {
  // error(legacy): Type 'Promise<string>' is not assignable to type '(this: NoMethod
  // error(standard): Type '"getter"' is not assignable to type '"method"'
  @Cached()
  get getter(): Promise<string> {
    return Promise.resolve('');
  }
  // error: TS1241
  @Cached()
  set setter(_value: Promise<string>) {}
  // error: TS1240: Unable to resolve signature of property decorator
  @Cached()
  field = async () => 1;
  // error: TS1240: Unable to resolve signature of property decorator
  @Invalidates({ all: true })
  invalidatesField = async () => 1;
  // error(legacy): Did you mean to call it first and write '@Cached()'?
  // error(standard): TS1241
  @Cached
  async notCalled(id: string): Promise<string> {
    return id;
  }
  // error(standard): TS1240
  @Cached()
  accessor auto = async () => 1;
  // error(legacy): TS1206: Decorators are not valid here
  @Cached()
  async #private(): Promise<void> {}
  use(): unknown {
    return this.#private();
  }
  // error(legacy): TS1239
  // error(standard): TS1206
  async parameter(@Cached() id: string): Promise<string> {
    return id;
  }
}

// error: TS1238: Unable to resolve signature of class decorator
@Cached()
export class OnClass {}

// error: TS1238: Unable to resolve signature of class decorator
@Invalidates({ all: true })
export class InvalidatesOnClass {}

export class Templates {
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Cached({ key: 'user:{0.nme}' })
  async method1(_user: User): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'user:{0}' })
  async method2(_user: User): Promise<void> {}
  // error: cache key template: {0.org} is not a scalar argument of the method
  @Cached({ key: 'user:{0.org}' })
  async method3(_user: User): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'user:{0}' })
  async method4(_ids: string[]): Promise<void> {}
  // error: cache key template: {0.first} is not a scalar argument of the method
  @Cached({ key: 'user:{0.first}' })
  async method5(_ids: string[]): Promise<void> {}
  // error: cache key template: {first} is not a scalar argument of the method
  @Cached({ key: 'user:{first}' })
  async method6(..._ids: string[]): Promise<void> {}
  // error: cache key template: {length} is not a scalar argument of the method
  @Cached({ key: 'user:{length}' })
  async method7(_id: string): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'user:{0}' })
  async method8(_id: unknown): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'user:{0}' })
  async method9(_id: () => void): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'user:{0}' })
  async method10(_id: symbol): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'user:{0}' })
  async method11(_id: string | User): Promise<void> {}
  // error: cache key template: {0.toUpperCase} is not a scalar argument of the method
  @Cached({ key: 'user:{0.toUpperCase}' })
  async method12(_id: string): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ key: 'user:{1}' })
  async method13(_id: string): Promise<void> {}
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Cached({ key: 'user:{0}:{1}:{0.nme}' })
  async method14(_id: string): Promise<void> {}
  // error: cache key template: {id} is not a scalar argument of the method
  @Cached({ key: 'user:{id}' })
  async method15(_id: string): Promise<void> {}
  // error: cache key template: {} is not a scalar argument of the method
  @Cached({ key: 'user:{}' })
  async method16(_id: string): Promise<void> {}
  // error: cache key template: { 0 } is not a scalar argument of the method
  @Cached({ key: 'user:{ 0 }' })
  async method17(_id: string): Promise<void> {}
  // error: cache key template: {00} is not a scalar argument of the method
  @Cached({ key: 'user:{00}' })
  async method18(_id: string): Promise<void> {}
  // error: cache key template: {0.x} is not a scalar argument of the method
  @Cached({ key: 'shape:{0.x}' })
  async method19(_shape: Shape): Promise<void> {}
  // error: cache key template: it has a '{' without a '}' after it
  @Cached({ key: 'user:{0' })
  async method20(_id: string): Promise<void> {}
  // error: cache key template: it has a '}' without a '{' before it
  @Cached({ key: 'user:0}' })
  async method21(_id: string): Promise<void> {}
  // error: cache key template: it has a '}' without a '{' before it
  @Cached({ key: 'user:0}:{0}' })
  async method22(_id: string): Promise<void> {}
  // error: cache key template: put ':' between two placeholders
  @Cached({ key: 'user:{0}{1}' })
  async method23(_id: string, _page: number): Promise<void> {}
  // error: cache key template: {0} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'user:{0}' })
  async method24(_id: string | number): Promise<void> {}
  // error: cache key template: {0} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'user:{0}' })
  async method25(_id: string | boolean): Promise<void> {}
  // error: cache key template: {0} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'user:{0}' })
  async method26(_id: number | bigint | undefined): Promise<void> {}
  // error: cache key template: {0} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'user:{0}' })
  async method27(_id: 'a' | 1): Promise<void> {}
  // error: cache key template: {0.id} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'user:{0.id}' })
  async method28(_user: { id: string | number }): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ key: 'user:{0}:{1}' })
  async restOfObjects(_id: string, ..._users: User[]): Promise<void> {}
  // error: cache key template: {7} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'user:{0}:{7}' })
  async restOfTwoTypes(_id: string, ..._ids: (string | number)[]): Promise<void> {}
  // error: cache key template: {0.2} is not a scalar argument of the method
  @Cached({ key: 'user:{0.2}' })
  async behindTheEnd(_pair: [string, string]): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ tags: 'org:{1}' })
  async method29(_id: string): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ tags: ['users', 'org:{1}'] })
  async method30(_id: string): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @bound.Cached({ key: 'user:{1}' })
  async method31(_id: string): Promise<void> {}
  // error: Type 'string[]' is not assignable to type
  @Cached({ key: ['user', '{0}'] })
  async method32(_id: string): Promise<void> {}
  // error: Type 'number' is not assignable to type
  @Cached({ key: (5 as number) })
  async method33(_id: string): Promise<void> {}
  // The template is checked though callbacks stand beside it, and they though it does.
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Cached({ key: 'user:{0.nme}', tags: (user) => [user.name] })
  async besideCallback(_user: User): Promise<User> {
    return user;
  }
  // error: Property 'nme' does not exist on type 'User'
  @Cached({ key: 'user:{0.id}', tags: (user) => [user.nme] })
  async besideTemplate(_user: User): Promise<User> {
    return user;
  }
}

export class Callbacks {
  // error: Type 'string' is not assignable to type 'number'
  @Cached({ key: (id: number) => [id] })
  async method1(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'nope' does not exist on type 'string'
  @Cached({ key: (id) => [id.nope] })
  async method2(_id: string): Promise<User> {
    return user;
  }
  // error: Target signature provides too few arguments
  @Cached({ key: (_id, page) => [page] })
  async method3(_id: string): Promise<User> {
    return user;
  }
  // error: Target signature provides too few arguments
  @Cached({ key: (id, page: string) => [id, page] })
  async method4(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'number' is not assignable to type 'Key'
  @Cached({ key: () => 5 })
  async method5(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'User' is not assignable to type 'KeyPart'
  @Cached({ key: () => [user] })
  async method6(_id: string): Promise<User> {
    return user;
  }
  // error: is not assignable to type 'KeyPart'
  @Cached({ key: () => [mark] })
  async method7(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'Promise<string>' is not assignable to type 'Key'
  @Cached({ key: async (id) => id })
  async method8(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'undefined' is not assignable to type 'Key'
  @Cached({ key: () => undefined })
  async method9(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'nme' does not exist on type 'User'
  @Cached({ key: 'k:{0}', tags: (user) => [user.nme] })
  async method10(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'nope' does not exist on type 'string'
  @Cached({ key: 'k:{0}', tags: (user, id) => [user.name, id.nope] })
  async method11(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'string' is not assignable to type 'readonly string[]'
  @Cached({ key: 'k:{0}', tags: (user) => user.name })
  async method12(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'undefined' is not assignable to type 'string'
  @Cached({ key: 'k:{0}', tags: (user) => [user.age] })
  async method13(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'User' is not assignable to type 'string'
  @Cached({ key: 'k:{0}', tags: (user: string) => [user] })
  async method14(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'nope' does not exist on type 'User'
  @Cached({ key: 'k:{0}', unless: (user) => user.nope })
  async method15(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'string' is not assignable to type 'boolean'
  @Cached({ key: 'k:{0}', unless: (user) => user.name })
  async method16(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'string' is not assignable to type 'number'
  @Cached({ key: 'k:{0}', unless: (_user, id: number) => id > 1 })
  async method17(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'nope' does not exist on type 'string'
  @Cached({ key: 'k:{0}', when: (id) => id.nope })
  async method18(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'string' is not assignable to type 'number'
  @Cached({ key: 'k:{0}', when: (id: number) => id > 1 })
  async method19(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'Promise<boolean>' is not assignable to type 'boolean'
  @Cached({ key: 'k:{0}', when: async () => true })
  async method20(_id: string): Promise<User> {
    return user;
  }
  // error: Type 'boolean' is not assignable to type
  @Cached({ key: 'k:{0}', when: true })
  async method21(_id: string): Promise<User> {
    return user;
  }
  // error: 'user' is possibly 'null'
  @Cached({ key: 'k:{0}', tags: (user: User | null) => [user.name] })
  async method22(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'nope' does not exist on type 'Callbacks'
  @Cached({ key: 'k:{0}', cache: (self) => self.nope })
  async method23(_id: string): Promise<User> {
    return user;
  }
  // error: Type '{}' is not assignable to type 'CachingSource<Callbacks> | undefined'
  @Cached({ key: 'k:{0}', cache: {} })
  async method24(_id: string): Promise<User> {
    return user;
  }
  @Cached({
    key() {
      return this.nope; // error: Property 'nope' does not exist on type 'Callbacks'
    },
    tags() {
      return [this.nope]; // error: Property 'nope' does not exist on type 'Callbacks'
    },
  })
  async withThis(_id: string): Promise<void> {}
}

export class Ttls {
  // error: Type '"soon"' is not assignable to type 'Duration | undefined'
  @Cached({ ttl: '1h', idleTtl: 'soon' })
  async idle(): Promise<void> {}
  // error: Type '() => string' is not assignable to type 'Duration | undefined'
  @Cached({ ttl: '1h', idleTtl: () => '1m' })
  async idleByResult(): Promise<void> {}
  // error: Type '"soon"' is not assignable to type 'Duration'
  @Cached({ ttl: () => 'soon' })
  async noDuration(): Promise<void> {}
  // error: Type 'Promise<string>' is not assignable to type 'Duration'
  @Cached({ ttl: async () => '5m' })
  async promised(): Promise<void> {}
  // error: Property 'nme' does not exist on type 'User'
  @Cached({ key: 'k:{0}', ttl: (user) => (user.nme === '' ? '1s' : '1m') })
  async anotherResult(_id: string): Promise<User> {
    return user;
  }
  // error: Property 'trim' does not exist on type 'number'
  @Cached({ key: 'k:{0}', ttl: (_, id) => (id.trim() === '' ? '1s' : '1m') })
  async anotherArgument(_id: number): Promise<void> {}
}

export class Options {
  // error: 'tll' does not exist in type 'CachedOptions
  @Cached({ tll: '5m' })
  async method1(): Promise<void> {}
  // error: Type '"5 minuets"' is not assignable to type 'NoInfer<(this: Options, result: void) => Duration> | Duration | undefined'
  @Cached({ ttl: '5 minuets' })
  async method2(): Promise<void> {}
  // error: Type '"5"' is not assignable to type 'NoInfer<(this: Options, result: void) => Duration> | Duration | undefined'
  @Cached({ ttl: '5' })
  async method3(): Promise<void> {}
  // error: Type '"5w"' is not assignable to type 'NoInfer<(this: Options, result: void) => Duration> | Duration | undefined'
  @Cached({ ttl: '5w' })
  async method4(): Promise<void> {}
  // error: Type 'true' is not assignable to type 'NoInfer<(this: Options, result: void) => Duration> | Duration | undefined'
  @Cached({ ttl: true })
  async method5(): Promise<void> {}
  // error: Type '"ignore"' is not assignable to type
  @Cached({ onKeyError: 'ignore' })
  async method6(): Promise<void> {}
  // error: Type '"ignore"' is not assignable to type
  @Cached({ onUnsupported: 'ignore' })
  async method7(): Promise<void> {}
  // error: Type 'number' is not assignable to type 'string'
  @Cached({ name: 5 })
  async method8(): Promise<void> {}
  // error: Type '"5 minuets"' is not assignable to type 'NoInfer<(this: Options, result: User, _id: string) => Duration> | Duration | undefined'
  @Cached({ key: 'k:{0}', ttl: '5 minuets', tags: (user) => [user.name] })
  async method9(_id: string): Promise<User> {
    return user;
  }
  // error: 'tll' does not exist in type 'CachedOptions
  @Cached({ key: 'k:{0}', tags: (user) => [user.name], tll: '5m' })
  async method10(_id: string): Promise<User> {
    return user;
  }
  // error: has no properties in common with type 'CachedOptions
  @Cached('user:{0}')
  async text(_id: string): Promise<void> {}
}

export class Invalidations {
  // error: Expected 1 arguments, but got 0
  @Invalidates()
  async nothing(): Promise<void> {}
  // error: 'key' does not exist in type 'InvalidatesOptions
  @Invalidates({ key: 'user:{0}' })
  async method1(_id: string): Promise<void> {}
  // error: 'ttl' does not exist in type 'InvalidatesOptions
  @Invalidates({ keys: 'user:{0}', ttl: '5m' })
  async method2(_id: string): Promise<void> {}
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Invalidates({ keys: 'user:{0.nme}' })
  async method3(_user: User): Promise<void> {}
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Invalidates({ keys: ['users', 'user:{0.nme}'] })
  async method4(_user: User): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Invalidates({ tags: 'org:{0}' })
  async method5(_user: User): Promise<void> {}
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @bound.Invalidates({ keys: 'user:{0.nme}' })
  async method6(_user: User): Promise<void> {}
  // error: Type 'string' is not assignable to type 'readonly Key[]'
  @Invalidates({ keys: () => 'user:1' })
  async method7(_user: User): Promise<void> {}
  // error: Type 'string' is not assignable to type 'readonly string[]'
  @Invalidates({ tags: () => 'users' })
  async method8(_user: User): Promise<void> {}
  // error: Property 'nope' does not exist on type 'User'
  @Invalidates({ keys: (_result, user) => [user.nope] })
  async method9(_user: User): Promise<void> {}
  // error: Type 'User' is not assignable to type 'Key'
  @Invalidates({ keys: (_result, user) => [user] })
  async method10(_user: User): Promise<void> {}
  // error: Property 'id' does not exist on type 'void'
  @Invalidates({ keys: (result) => [result.id] })
  async method11(_user: User): Promise<void> {}
  // error: Type 'User' is not assignable to type 'string'
  @Invalidates({ keys: (_result: void, user: string) => [user] })
  async method12(_user: User): Promise<void> {}
  // error: Type 'User' is not assignable to type 'string'
  @Invalidates({ keys: (result: string) => [result] })
  async method13(_user: User): Promise<User> {
    return user;
  }
  // error: Property 'nme' does not exist on type 'User'
  @Invalidates({ keys: 'user:{0.id}', tags: (result) => [result.nme] })
  async method14(_user: User): Promise<User> {
    return user;
  }
  // error: 'result' is possibly 'undefined'
  @Invalidates({ keys: (result) => [result.id], timing: 'before' })
  async method15(_user: User): Promise<User> {
    return user;
  }
  // error: 'result' is possibly 'undefined'
  @Invalidates({ timing: 'both', tags: (result) => [result.id] })
  async method16(_user: User): Promise<User> {
    return user;
  }
  // error: Type '"later"' is not assignable to type 'Timing | undefined'
  @Invalidates({ all: true, timing: 'later' })
  async method17(): Promise<void> {}
  // error: Type '"ignore"' is not assignable to type 'OnUnavailable | undefined'
  @Invalidates({ all: true, onUnavailable: 'ignore' })
  async method18(): Promise<void> {}
  // error: Type 'string' is not assignable to type 'boolean | undefined'
  @Invalidates({ all: 'yes' })
  async method19(): Promise<void> {}
}

export class Bounds {
  // error: Type 'string' is not assignable to type 'number'
  @Cached({ maxConcurrentLoads: '10' })
  async method20(): Promise<void> {}
}

// error: 'maxConcurrentLoads' does not exist in type 'GetOrSetOptions<number>'
void caching.cache.getOrSet('key', () => 1, { maxConcurrentLoads: 10 });

export class Verified {
  // error: Type 'string' is not assignable to type 'number | VerifyOptions | undefined'
  @Cached({ verify: '0.001' })
  async method21(): Promise<void> {}
  // error: Property 'share' is missing in type
  @Cached({ verify: { after: '5s' } })
  async method22(): Promise<void> {}
  // error: 'delay' does not exist in type 'VerifyOptions'
  @Cached({ verify: { share: 1, delay: '5s' } })
  async method23(): Promise<void> {}
}
