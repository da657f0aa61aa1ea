import { createDecorators, RateLimited, type Caching } from '../../src/index.js';

declare const caching: Caching;

interface Request {
  readonly ip: string;
  readonly user: { readonly id: number };
}

const bound = createDecorators(caching);

export class NotAsync {
  // error: Type 'string' is not assignable to type 'Promise<unknown>'
  @RateLimited({ limit: 5, per: '1m' })
  sync(id: string): string {
    return id;
  }
  // error: Type 'Generator<string, any, any>' is missing the following properties from type 'Promise<unknown>'
  @RateLimited({ limit: 5, per: '1m' })
  *generator(id: string): Generator<string> {
    yield id;
  }
  // error: TS1240: Unable to resolve signature of property decorator
  @RateLimited({ limit: 5, per: '1m' })
  field = async () => 1;
  // error: TS1241
  @RateLimited
  async notCalled(): Promise<void> {}
}

// error: TS1238: Unable to resolve signature of class decorator
@RateLimited({ limit: 5, per: '1m' })
export class OnClass {}

export class Keys {
  // error: cache key template: {0.pi} is not a scalar argument of the method
  @RateLimited({ key: 'login:{0.pi}', limit: 5, per: '1m' })
  async method1(_request: Request): Promise<void> {}
  // error: cache key template: {0.user} is not a scalar argument of the method
  @RateLimited({ key: 'login:{0.user}', rules: [{ limit: 5, per: '1m' }] })
  async method2(_request: Request): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @RateLimited({ key: 'login:{1}', limit: 5, per: '1m', onExceeded: 'wait', wait: '1s' })
  async method3(_request: Request): Promise<void> {}
  // error: cache key template: it has a '{' without a '}' after it
  @RateLimited({ key: 'login:{0', limit: (request) => request.ip.length, per: '1m' })
  async method4(_request: Request): Promise<void> {}
  // error: cache key template: {0.pi} is not a scalar argument of the method
  @bound.RateLimited({ key: 'login:{0.pi}', limit: 5, per: '1m' })
  async method5(_request: Request): Promise<void> {}
  // error: Property 'pi' does not exist on type 'Request'
  @RateLimited({ key: (request) => request.pi, limit: 5, per: '1m' })
  async method6(_request: Request): Promise<void> {}
  // error: Type 'undefined' is not assignable to type 'Key'
  @RateLimited({ key: () => undefined, limit: 5, per: '1m' })
  async method7(_request: Request): Promise<void> {}
  // error: 'keys' does not exist in type
  @RateLimited({ keys: ['a', 'b'], limit: 5, per: '1m' })
  async method8(_request: Request): Promise<void> {}
}

export class Rules {
  // error: Expected 1 arguments, but got 0
  @RateLimited()
  async method1(): Promise<void> {}
  // error: Argument of type '{}' is not assignable
  @RateLimited({})
  async method2(): Promise<void> {}
  // error: Property 'per' is missing
  @RateLimited({ limit: 5 })
  async method3(): Promise<void> {}
  // error: Property 'limit' is missing
  @RateLimited({ per: '1m' })
  async method4(): Promise<void> {}
  // error: either rules, or limit and the other options of one rule
  @RateLimited({ limit: 5, per: '1m', rules: [{ limit: 5, per: '1m' }] })
  async method5(): Promise<void> {}
  // error: is not assignable
  @RateLimited({ rules: [{ limit: 5, per: '1m' }], burst: 3 })
  async method6(): Promise<void> {}
  // error: is not assignable
  @RateLimited({ rules: [{ limit: 5, per: '1m' }], rule: 'minute' })
  async method7(): Promise<void> {}
  // error: only algorithm 'concurrency' has a lease
  @RateLimited({ limit: 5, per: '1m', lease: '10s' })
  async method8(): Promise<void> {}
  // error: Type '"concurrency"' is not assignable
  @RateLimited({ limit: 5, per: '1m', algorithm: 'concurrency' })
  async method9(): Promise<void> {}
  // error: is not assignable
  @RateLimited({ limit: 5, algorithm: 'concurrency', burst: 3 })
  async method10(): Promise<void> {}
  // error: Type '"leaky-bucket"' is not assignable to type
  @RateLimited({ limit: 5, per: '1m', algorithm: 'leaky-bucket' })
  async method11(): Promise<void> {}
  // error: Type '"1 minuet"' is not assignable to type 'Duration | undefined'
  @RateLimited({ limit: 5, per: '1 minuet' })
  async method12(): Promise<void> {}
  // error: Type 'string' is not assignable to type 'number | NoInfer<
  @RateLimited({ limit: '5', per: '1m' })
  async method13(): Promise<void> {}
  // error: Type 'string' is not assignable to type 'number'
  @RateLimited({ limit: (request) => request.ip, per: '1m' })
  async method14(_request: Request): Promise<void> {}
  // error: Type 'Promise<number>' is not assignable to type 'number'
  @RateLimited({ limit: async () => 5, per: '1m' })
  async method15(): Promise<void> {}
  // error: Property 'per' is missing
  @RateLimited({ rules: [{ limit: 5 }] })
  async method16(): Promise<void> {}
  // error: is not assignable to type
  @RateLimited({ rules: () => 5 })
  async method17(): Promise<void> {}
  // error: Property 'plam' does not exist on type 'Rules'
  @RateLimited({ limit() { return this.plam; }, per: '1m' })
  async method18(): Promise<void> {}
}

export class Exceeded {
  // error: Property 'wait' is missing
  @RateLimited({ limit: 5, per: '1m', onExceeded: 'wait' })
  async method1(): Promise<void> {}
  // error: Property 'onExceeded' is missing
  @RateLimited({ limit: 5, per: '1m', wait: '1s' })
  async method2(): Promise<void> {}
  // error: is not assignable
  @RateLimited({ limit: 5, per: '1m', onExceeded: 'throw', wait: '1s' })
  async method3(): Promise<void> {}
  // error: is not assignable
  @RateLimited({ limit: 5, per: '1m', onExceeded: 'throw', signal: () => undefined })
  async method4(): Promise<void> {}
  // error: is not assignable
  @RateLimited({ limit: 5, per: '1m', onExceeded: 'queue' })
  async method5(): Promise<void> {}
  // error: Type '"soon"' is not assignable to type 'Duration
  @RateLimited({ limit: 5, per: '1m', onExceeded: 'wait', wait: 'soon' })
  async method6(): Promise<void> {}
  // error: Type 'AbortSignal' is not assignable
  @RateLimited({ limit: 5, per: '1m', onExceeded: 'wait', wait: '1s', signal: AbortSignal.timeout(5) })
  async method7(): Promise<void> {}
}

export class Options {
  // error: 'tll' does not exist in type
  @RateLimited({ limit: 5, per: '1m', tll: '5m' })
  async method1(): Promise<void> {}
  // error: Property 'nope' does not exist on type 'Request'
  @RateLimited({ limit: 5, per: '1m', cost: (request) => request.nope })
  async method2(_request: Request): Promise<void> {}
  // error: Type 'string' is not assignable to type 'number'
  @RateLimited({ limit: 5, per: '1m', cost: (request) => request.ip })
  async method3(_request: Request): Promise<void> {}
  // error: Target signature provides too few arguments
  @RateLimited({ limit: 5, per: '1m', cost: (_request, rows: number) => rows })
  async method4(_request: Request): Promise<void> {}
  // error: Type 'Promise<boolean>' is not assignable to type 'boolean'
  @RateLimited({ limit: 5, per: '1m', when: async () => true })
  async method5(): Promise<void> {}
  // error: 'error' is of type 'unknown'
  @RateLimited({ limit: 5, per: '1m', refundOnError: (error) => error.status === 500 })
  async method6(): Promise<void> {}
  // error: Type '"ignore"' is not assignable to type 'OnLimitsUnavailable | undefined'
  @RateLimited({ limit: 5, per: '1m', onUnavailable: 'ignore' })
  async method7(): Promise<void> {}
  // error: Type 'string' is not assignable to type 'boolean | undefined'
  @RateLimited({ limit: 5, per: '1m', dryRun: 'yes' })
  async method8(): Promise<void> {}
  // error: Type 'number' is not assignable to type 'string'
  @RateLimited({ limit: 5, per: '1m', name: 5 })
  async method9(): Promise<void> {}
  // error: Type '{}' is not assignable to type 'CachingSource<Options> | undefined'
  @RateLimited({ limit: 5, per: '1m', cache: {} })
  async method10(): Promise<void> {}
  // error: is not assignable to parameter of type 'RateLimitedOptions
  @RateLimited('login:{0.ip}')
  async text(_request: Request): Promise<void> {}
}
