import test from 'ava';
import { Caching, createDecorators, OptionsError, withCaching } from '../../src/index.js';
import { newCaching, servedBy } from './shared/served-by.js';

test.serial('createDecorators binds to a Caching, or to a function that returns one', async (t) => {
  const all = { bound: newCaching(), scope: newCaching(), own: newCaching() };
  let later: Caching | undefined;
  const { Cached: Now, Invalidates: Drop } = createDecorators(all.bound);
  const { Cached: Later } = createDecorators(() => later!);
  class Bound {
    @Now({ key: 'id:{0}' })
    async now(id: string): Promise<string> {
      return id;
    }
    @Later({ key: 'id:{0}', tags: (result) => [result] })
    async later(id: string): Promise<string> {
      return id;
    }
    @Now({ key: 'id:{0}', cache: all.own })
    async own(id: string): Promise<string> {
      return id;
    }
    @Now({ key: 'id:{0}', cache: undefined })
    async none(id: string): Promise<string> {
      return id;
    }
    @Drop({ keys: 'id:{0}' })
    async drop(_id: string): Promise<void> {}
    @Now()
    async standard(id: string): Promise<string> {
      return id;
    }
  }
  const bound = new Bound();
  await t.throwsAsync(bound.later('1'), { instanceOf: OptionsError });
  later = all.bound;
  t.is(await servedBy(all, (id) => bound.now(id)), 'bound');
  t.is(await servedBy(all, (id) => bound.later(id)), 'bound');
  t.is(await servedBy(all, (id) => bound.own(id)), 'own');
  t.is(await servedBy(all, (id) => bound.none(id)), 'bound');
  t.is(await withCaching(all.scope, () => servedBy(all, (id) => bound.now(id))), 'bound');
  await bound.now('1');
  await bound.drop('1');
  t.false(await all.bound.cache.has('id:1'));
  t.is(await bound.standard('1'), '1');
  for (const wrong of [undefined, null, {}, 'redis']) {
    t.throws(() => createDecorators(wrong as unknown as Caching), {
      instanceOf: OptionsError,
      message: /^createDecorators takes a Caching, or a function that returns one, and /,
    });
  }
});
