import { Cached, Caching, withContext, withRequestMemo, type CachingOptions } from '../../src/index.js';

declare const caching: Caching;
declare const adapter: CachingOptions['adapter'];

// error: Type '{ id: string; }' is not assignable to type 'string | number | bigint | boolean | undefined'
withContext({ tenant: { id: 'acme' } }, () => 1);
// error: Type 'null' is not assignable to type 'string | number | bigint | boolean | undefined'
withContext({ tenant: null }, () => 1);
// error: Expected 2 arguments, but got 1
withContext({ tenant: 'acme' });
// error: Argument of type 'number' is not assignable to parameter of type '() => unknown'
withRequestMemo(1);
// error: Type 'boolean' is not assignable to type 'readonly string[]'
void new Caching({ adapter, context: false });
// error: Type 'string' is not assignable to type 'false | readonly string[] | undefined'
caching.verbs({ context: 'tenant' });

export class Users {
  // error: Type 'true' is not assignable to type 'false | readonly string[] | undefined'
  @Cached({ context: true })
  async find(id: string): Promise<string> {
    return id;
  }
}
