import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { OptionsError } from '../../src/core/shared/errors.js';

test('getMany and invalidate refuse keys that are not a list, and the error says what was given', async (t) => {
  const caching = new Caching({ adapter: memory(), defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  const { cache } = caching;
  await cache.set('user:42', 'Ada');
  const key = 'user:42' as never;
  await t.throwsAsync(cache.getMany(key), {
    instanceOf: OptionsError,
    message: "getMany takes a list of keys, and 'user:42' was given.",
  });
  await t.throwsAsync(cache.invalidate({ keys: key }), {
    instanceOf: OptionsError,
    message: "keys of invalidate is a list of keys, and 'user:42' was given.",
  });
  t.is(await cache.get('user:42'), 'Ada');
});
