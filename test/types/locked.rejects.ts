import { createDecorators, Locked, type Caching } from '../../src/index.js';

declare const caching: Caching;

interface Invoice {
  readonly id: string;
  readonly account: { readonly no: number };
}

const bound = createDecorators(caching);

export class NotAsync {
  // error: Type 'string' is not assignable to type 'Promise<unknown>'
  @Locked()
  sync(id: string): string {
    return id;
  }
  // error: Type 'AsyncGenerator<string, any, any>' is missing the following properties from type 'Promise<unknown>'
  @Locked({ key: 'invoice:{0}' })
  async *generator(id: string): AsyncGenerator<string> {
    yield id;
  }
  // error: TS1240: Unable to resolve signature of property decorator
  @Locked()
  field = async () => 1;
  // error(legacy): Did you mean to call it first and write '@Locked()'?
  // error(standard): TS1241
  @Locked
  async notCalled(): Promise<void> {}
}

// error: TS1238: Unable to resolve signature of class decorator
@Locked()
export class OnClass {}

export class Keys {
  // error: cache key template: {0.di} is not a scalar argument of the method
  @Locked({ key: 'invoice:{0.di}' })
  async method1(_invoice: Invoice): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Locked({ key: 'invoice:{0}', lease: '30s' })
  async method2(_invoice: Invoice): Promise<void> {}
  // error: cache key template: {0.account} is not a scalar argument of the method
  @Locked({ keys: 'invoice:{0.account}' })
  async method3(_invoice: Invoice): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Locked({ keys: ['invoice:{0.id}', 'invoice:{1}'] })
  async method4(_invoice: Invoice): Promise<void> {}
  // error: cache key template: put ':' between two placeholders
  @Locked({ key: '{0.id}{0.account.no}' })
  async method5(_invoice: Invoice): Promise<void> {}
  // error: cache key template: {0.di} is not a scalar argument of the method
  @bound.Locked({ key: 'invoice:{0.di}' })
  async method6(_invoice: Invoice): Promise<void> {}
  // error: Property 'di' does not exist on type 'Invoice'
  @Locked({ key: (invoice) => invoice.di })
  async method7(_invoice: Invoice): Promise<void> {}
  // error: Type 'Invoice' is not assignable to type 'Key'
  @Locked({ key: (invoice) => invoice })
  async method8(_invoice: Invoice): Promise<void> {}
  // error: Type 'string' is not assignable to type 'readonly Key[]'
  @Locked({ keys: (invoice) => invoice.id })
  async method9(_invoice: Invoice): Promise<void> {}
  // error: Property 'prefx' does not exist on type 'Keys'
  @Locked({ keys() { return [this.prefx]; } })
  async method10(): Promise<void> {}
  // error: either key or keys
  @Locked({ key: 'a', keys: ['b'] })
  async method11(): Promise<void> {}
}

export class Options {
  // error: 'tll' does not exist in type 'LockedOptions
  @Locked({ tll: '30s' })
  async method1(): Promise<void> {}
  // error: 'tll' does not exist in type
  @Locked({ key: 'invoice:{0.id}', tll: '30s' })
  async method2(_invoice: Invoice): Promise<void> {}
  // error: Type '"30 secons"' is not assignable to type 'Duration | undefined'
  @Locked({ key: 'invoice:{0.id}', lease: '30 secons' })
  async method3(_invoice: Invoice): Promise<void> {}
  // error: Type '"read"' is not assignable to type
  @Locked({ mode: 'read' })
  async method4(): Promise<void> {}
  // error: Type 'string' is not assignable to type 'number'
  @Locked({ permits: '3' })
  async method5(): Promise<void> {}
  // error: Type '"allow"' is not assignable to type
  @Locked({ onUnavailable: 'allow' })
  async method6(): Promise<void> {}
  // error: Type 'AbortSignal' is not assignable to type
  @Locked({ signal: AbortSignal.timeout(5) })
  async method7(): Promise<void> {}
  // error: Type 'string' is not assignable to type 'AbortSignal'
  @Locked({ signal: (invoice) => invoice.id })
  async method8(_invoice: Invoice): Promise<void> {}
  // error: Type 'Promise<boolean>' is not assignable to type 'boolean'
  @Locked({ when: async () => true })
  async method9(): Promise<void> {}
  // error: Property 'nope' does not exist on type 'Invoice'
  @Locked({ key: 'invoice:{0.id}', when: (invoice) => invoice.nope })
  async method10(_invoice: Invoice): Promise<void> {}
  // error: Type '{}' is not assignable to type 'CachingSource<Options> | undefined'
  @Locked({ cache: {} })
  async method11(): Promise<void> {}
  // error: is not assignable to parameter of type 'LockedOptions
  @Locked('invoice:{0.id}')
  async text(_invoice: Invoice): Promise<void> {}
}
