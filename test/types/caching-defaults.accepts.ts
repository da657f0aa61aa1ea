import { Cached, Caching, CachingDefaults, type CachingDefaultsOptions } from '../../src/index.js';

declare const caching: Caching;

@CachingDefaults({
  ttl: '15m',
  idleTtl: '5m',
  grace: '1h',
  tags: ['users'],
  sharedTags: ['all'],
  name: 'users',
  context: ['locale'],
  onKeyError: 'throw',
  cache: caching,
})
export class Users {
  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return id;
  }
}

@CachingDefaults({ cache: (self) => self.caching, context: false })
export class Tenants {
  constructor(readonly caching: Caching) {}
}

@CachingDefaults({ ttl: 250 })
export abstract class Base<Row> {
  abstract find(id: string): Promise<Row>;
}

@CachingDefaults({ ttl: '1m' })
export class Single {
  static readonly one = new Single();
  private constructor() {}
}

const options: CachingDefaultsOptions<Users, 'users'> = { tags: ['users'] };
export const anonymous = ((): object => {
  @CachingDefaults(options)
  class Local extends Users {}
  return Local;
})();
