import test from 'ava';
import { KeyMemo } from '../../src/core/keys/key-memo.js';
import { compileTemplate } from '../../src/core/keys/key-template.js';

test('a template with one placeholder returns the same key with and without the memo', (t) => {
  const render = compileTemplate('user:{0}', 'a key');
  for (const argument of ['1', 'a:b', '{x}', '', '\n', '%3A', 'x'.repeat(300), '\ud800', 'é']) {
    const first = render([argument]);
    t.is(render([argument]), first);
    t.is(compileTemplate('user:{0}', 'a key')([argument]), first);
  }
  t.is(render([1]), render(['1']));
  t.not(render([undefined]), render(['undefined']));
});

test('the memo is bounded, and keeps keys that are asked for again', (t) => {
  const memo = new KeyMemo();
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 1_000; i++) {
      if (memo.get(`${i}`) === undefined) memo.set(`${i}`, `key:${i}`);
    }
  }
  t.is(memo.size, 1_000);
  t.is(memo.get('7')?.text, 'key:7');
  for (let i = 0; i < 5_000; i++) memo.get('7');
  for (let i = 0; i < 100; i++) memo.set(`other ${i}`, '');
  t.true(memo.size! <= 1_024);
  t.not(memo.size, undefined);
});

test('a memo whose keys are not asked for again ends', (t) => {
  const memo = new KeyMemo();
  for (let i = 0; i < 1_025; i++) memo.set(`${i}`, `key:${i}`);
  t.is(memo.size, undefined);
  memo.set('a', 'key');
  t.is(memo.get('a'), undefined);
});
