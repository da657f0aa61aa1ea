import {
  Cached,
  createDecorators,
  RateLimited,
  type AsyncMethodDecorator,
  type Caching,
  type RateLimitedOptions,
  type Rule,
} from '../../src/index.js';

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;
declare const caching: Caching;
declare const minute: Rule;

interface Request {
  readonly ip: string;
  readonly user?: { readonly id: number } | undefined;
  readonly signal: AbortSignal;
}

export class Keys {
  readonly prefix = 'p';

  @RateLimited({ key: 'login:{0.ip}', limit: 5, per: '1m' })
  async template(_request: Request, _password: string): Promise<string> {
    return '';
  }
  @RateLimited({ key: 'login:{0.ip}:{0.user.id}', limit: 5, per: 60_000 })
  async path(_request: Request): Promise<void> {}
  @RateLimited({ key: (request) => ['login', request.ip, request.user?.id], limit: 5, per: '1m' })
  async parts(_request: Request): Promise<void> {}
  @RateLimited({
    key(request) {
      same<[typeof this, typeof request], [Keys, Request]>(true);
      return this.prefix + request.ip;
    },
    limit: 5,
    per: '1m',
  })
  async withThis(_request: Request): Promise<void> {}
  @RateLimited({ limit: 5, per: '1m' })
  async ofTheMethod(): Promise<void> {}
  @RateLimited({ key: undefined, limit: 5, per: '1m', onExceeded: undefined, wait: undefined })
  async undefinedIsNothing(): Promise<void> {}
}

export class Rules {
  readonly plan = 10;

  @RateLimited({ limit: 5, per: '1m', algorithm: 'sliding-window-log', rule: 'logins' })
  async window(): Promise<void> {}
  @RateLimited({ limit: 5, per: '1m', algorithm: 'token-bucket', burst: 20 })
  async bucket(): Promise<void> {}
  @RateLimited({ limit: 5, algorithm: 'concurrency' })
  async concurrency(): Promise<void> {}
  @RateLimited({ limit: 5, algorithm: 'concurrency', lease: '10s', rule: 'reports' })
  async slots(): Promise<void> {}
  @RateLimited({
    limit(request) {
      same<[typeof this, typeof request], [Rules, Request]>(true);
      return request.user === undefined ? 1 : this.plan;
    },
    per: '1m',
  })
  async dynamic(_request: Request): Promise<void> {}
  @RateLimited({ limit: (request) => request.ip.length, algorithm: 'concurrency', lease: 500 })
  async dynamicSlots(_request: Request): Promise<void> {}
  @RateLimited({
    key: 'api:{0.ip}',
    rules: [
      { name: 'second', limit: 10, per: '1s' },
      { limit: 1_000, per: '1d', algorithm: 'sliding-window-counter' },
      { limit: 2, algorithm: 'concurrency' },
    ],
  })
  async several(_request: Request): Promise<void> {}
  @RateLimited({ rules: [minute] })
  async madeAhead(): Promise<void> {}
  @RateLimited({
    rules(request) {
      same<[typeof this, typeof request], [Rules, Request]>(true);
      return [{ limit: this.plan + request.ip.length, per: '1m' }, minute];
    },
  })
  async ofTheCall(_request: Request): Promise<void> {}
  @RateLimited({ rules: () => ({ limit: 5, per: '1m' }) })
  async one(): Promise<void> {}
}

export class Callbacks {
  readonly prefix = 'p';

  @RateLimited({
    key: 'report:{0}',
    limit: 100,
    per: '1h',
    cost(rows, request) {
      same<[typeof this, typeof rows, typeof request], [Callbacks, number, Request | undefined]>(true);
      return rows;
    },
    when(rows, request) {
      same<[typeof this, typeof rows, typeof request], [Callbacks, number, Request | undefined]>(true);
      return rows > 0;
    },
    refundOnError(error, rows, request) {
      same<
        [typeof this, typeof error, typeof rows, typeof request],
        [Callbacks, unknown, number, Request | undefined]
      >(true);
      return error instanceof RangeError;
    },
    onExceeded: 'wait',
    wait: '5s',
    signal(rows, request) {
      same<[typeof this, typeof rows, typeof request], [Callbacks, number, Request | undefined]>(true);
      return request?.signal;
    },
    cache: (self) => {
      same<typeof self, Callbacks>(true);
      return caching;
    },
  })
  async all(rows: number, _request?: Request): Promise<number> {
    return rows;
  }
  @RateLimited({
    limit: 5,
    per: '1m',
    cost: 2,
    refundOnError: true,
    dryRun: true,
    onUnavailable: 'deny',
    processes: 4,
    denialCache: false,
    storeTimeout: '100ms',
    name: 'billing.report',
    onExceeded: 'throw',
    cache: caching,
  })
  async plain(): Promise<void> {}
  @RateLimited({ limit: 5, per: '1m', cost: (...ids) => ids.length })
  async rest(...ids: number[]): Promise<number> {
    return ids.length;
  }
  @RateLimited({ limit: 5, per: '1m', cost: (text: string | number) => String(text).length })
  async widerAnnotations(_text: string): Promise<void> {}
}

export class Forms<Row extends { readonly id: string }> {
  @RateLimited({ key: (row) => ['row', row.id], limit: 5, per: '1m' })
  async ofGenericClass(row: Row): Promise<Row> {
    return row;
  }
  @RateLimited({ key: 'id:{0}', limit: 5, per: '1m' })
  async ofGenericMethod<Id extends string>(id: Id): Promise<Id> {
    return id;
  }
  @RateLimited({
    key(id) {
      return this.name + id;
    },
    limit: 5,
    per: '1m',
  })
  static async ofClass(id: string): Promise<string> {
    return id;
  }
  @RateLimited({ limit: 5, per: '1m' })
  protected async forSubclasses(): Promise<void> {}
  @Cached({ key: 'user:{0}', tags: (user) => [user.name] })
  @RateLimited({ key: 'user:{0}', limit: 5, per: '1s' })
  @RateLimited({ key: 'user:{0}', limit: 100, per: '1h' })
  async stacked(id: string): Promise<{ name: string }> {
    return { name: id };
  }
}

const bound = createDecorators(caching);

export class Bound {
  readonly plan = 10;
  @bound.RateLimited({
    key: 'login:{0.ip}',
    limit(request) {
      return this.plan + request.ip.length;
    },
    per: '1m',
  })
  async login(_request: Request): Promise<void> {}
}

/** Decorators and their options may be made ahead. */
const strict: AsyncMethodDecorator<object, [request: Request], string> = RateLimited({
  key: 'login:{0.ip}',
  limit: 5,
  per: '1m',
});
const options: RateLimitedOptions<object, [request: Request], 'login:{0.ip}'> = {
  key: 'login:{0.ip}',
  limit: 5,
  per: '1m',
};

export class MadeAhead {
  @strict
  async login(request: Request): Promise<string> {
    return request.ip;
  }
  @RateLimited(options)
  async logout(request: Request): Promise<string> {
    return request.ip;
  }
}
