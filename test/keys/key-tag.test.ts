import test from 'ava';
import { KeyError } from '../../src/core/shared/errors.js';
import { compileTemplate } from '../../src/core/keys/key-template.js';
import { key } from '../../src/core/keys/key-tag.js';
import { WHERE, dashed } from './every-way.js';

test('a tagged template follows the rules of templates', (t) => {
  t.is(key`users`, 'users');
  t.is(key`user:${'a-b'}-${'c'}`, dashed(['a-b', 'c']));
  t.is(key`user:${null}`, 'user:~null');
  t.is(key`user list:${'a'}`, compileTemplate('user list:{0}', WHERE)(['a']));
  t.throws(() => key`user:${'a'} ${'b'}`, { instanceOf: KeyError, message: /put ':' between them/ });
  t.throws(() => key`user:${'a'}${'b'}`, { instanceOf: KeyError, message: /put ':' between them/ });
  t.throws(() => key`user:${'a'}_${'b'}`, { instanceOf: KeyError, message: /put ':' between them/ });
  t.throws(() => key`user:{0}`, { instanceOf: KeyError, message: /Substitutions are written \$\{id\}/ });
  t.throws(() => key`user:\u${'a'}`, { instanceOf: KeyError, message: /invalid escape sequence/ });
});
