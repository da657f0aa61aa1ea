import test from 'ava';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { OptionsError } from '../../../src/core/shared/errors.js';

test('an invalid option is refused by ioredis()', (t) => {
  const url = 'redis://localhost';
  t.throws(() => ioredis(url, { timeout: '0ms' }), {
    instanceOf: OptionsError,
    message: /timeout of ioredis/,
  });
  t.throws(() => ioredis(url, { timeout: '2h' }), { instanceOf: OptionsError });
  t.throws(() => ioredis(url, { connectTimeout: 'soon' as '1s' }), {
    instanceOf: OptionsError,
    message: /connectTimeout of ioredis/,
  });
  t.throws(() => ioredis(url, { commandTimeout: 5 } as object), {
    instanceOf: OptionsError,
    message: /no option 'commandTimeout'/,
  });
});
