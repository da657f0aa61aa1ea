/** The guards of `@RateLimited` and `@Locked` as decorators (scripts/mutations/entries.js says what this is). */

const RATE_LIMITED = 'src/decorators/rate-limited.ts';
const RULES = 'src/decorators/rules-maker.ts';
const RUN_OPTIONS = 'src/decorators/run-options-maker.ts';
const LOCKED = 'src/decorators/locked.ts';
const METHOD_ID = 'src/decorators/method-id.ts';
const RATE_LIMITED_TEST = 'test/decorators/rate-limited.test.ts';
const LOCKED_TEST = 'test/decorators/locked.test.ts';
const NAMES_TEST = 'test/decorators/names.test.ts';

export const decoratorsMutations = [
  {
    guard: 'what cannot be counted does not run',
    file: RATE_LIMITED,
    where: 'RateLimited',
    search: '|| given.dryRun !== true) throw error;',
    replace: ') throw error;',
    test: RATE_LIMITED_TEST,
    title: 'arguments that make no key reject with a KeyError: what cannot be counted does not run',
  },
  {
    guard: 'a dry run refuses nobody, whatever the arguments',
    file: RATE_LIMITED,
    where: 'RateLimited',
    search: 'if (!(error instanceof KeyError) || given.dryRun !== true) throw error;',
    replace: 'throw error;',
    test: RATE_LIMITED_TEST,
    title: 'arguments that make no key run in a dry run, and are reported',
  },
  {
    guard: 'the default key has no arguments',
    file: RATE_LIMITED,
    where: 'RateLimited',
    search: '((self) => logicalKey(id.inKeys(self), `key of ${at}`))',
    replace: '((self, args) => logicalKey([id.inKeys(self), String(args[0])], `key of ${at}`))',
    test: RATE_LIMITED_TEST,
    title: 'without a key, all calls of the method together have one limit, under its name',
  },
  {
    guard: 'a bad rule fails while the class is defined, also where its limit is a function',
    file: RULES,
    where: 'rulesMaker',
    search: 'resolveRules({ ...rest, limit: 1 }, at);',
    replace: '',
    test: RATE_LIMITED_TEST,
    title: 'options that cannot be are refused while the class is defined, by name',
  },
  {
    guard: 'a cost that never fits fails while the class is defined',
    file: RULES,
    where: 'sameForAll',
    search: "if (typeof cost === 'number') checkRoom(cost, ruleSet(fixed, at), at);",
    replace: '',
    test: RATE_LIMITED_TEST,
    title: 'options that cannot be are refused while the class is defined, by name',
  },
  {
    guard: 'a cost function that forgets to return does not mean 1',
    file: RUN_OPTIONS,
    where: 'units',
    search: '{\n  checkUnits(cost, `cost of ${at}`, 0);\n  return cost;',
    replace: '{\n  return cost;',
    test: RATE_LIMITED_TEST,
    title: 'a cost function that returns no number of units rejects the call, and nothing is taken',
  },
  {
    guard: 'who does not say that it waits does not wait',
    file: RUN_OPTIONS,
    where: 'waitOf',
    search: 'if (beside === undefined) return undefined;',
    replace: 'return undefined;',
    test: RATE_LIMITED_TEST,
    title: 'options that cannot be are refused while the class is defined, by name',
  },
  {
    guard: 'refundOnError is asked with the arguments of the call',
    file: RUN_OPTIONS,
    where: 'runOptionsMaker',
    search: 'refundOnError.apply(self, [error, ...args])',
    replace: 'refundOnError.apply(self, [error])',
    test: RATE_LIMITED_TEST,
    title: 'refundOnError gives the units of a call that fails back, for all errors or those it chooses',
  },
  {
    guard: 'a body that runs without a lock has a current lease all the same',
    file: LOCKED,
    where: 'Locked',
    search: 'return caching.locks.unlocked([], run);',
    replace: 'return run();',
    test: LOCKED_TEST,
    title: 'when it is false, the method runs without a lock, and no key is made',
  },
  {
    guard: 'a locked method whose key cannot be made does not run',
    file: LOCKED,
    where: 'Locked',
    search: 'return caching.locks.withLeaseAs(id.of(self), keysOf(self, args), options, run);',
    replace:
      'let keys: readonly string[];\n      try {\n        keys = keysOf(self, args);\n      } catch {\n' +
      '        return run();\n      }\n      return caching.locks.withLeaseAs(id.of(self), keys, options, run);',
    test: LOCKED_TEST,
    title: 'arguments that make no key reject with a KeyError: the method never runs unlocked',
  },
  {
    guard: 'the default key of a lock has the arguments',
    file: LOCKED,
    where: 'keysMaker',
    search: 'defaultKey(id.inKeys(self), args)',
    replace: 'defaultKey(id.inKeys(self), args.slice(0, 0))',
    test: LOCKED_TEST,
    title: 'without a key, class, method and arguments make one: calls with other arguments do not wait',
  },
  {
    guard: 'what a fair lock cannot have fails while the class is defined',
    file: LOCKED,
    where: 'Locked',
    search: 'if (Array.isArray(given.keys)) checkPossible(policy, given.keys.length, true, at);',
    replace: '',
    test: LOCKED_TEST,
    title: 'options that cannot be are refused while the class is defined, by name',
  },
  {
    guard: 'what shares nothing warns of nothing',
    file: METHOD_ID,
    where: 'MethodId.#claim',
    search: 'const what = `${this.#decorator} ${id}`;',
    replace: 'const what = id;',
    test: NAMES_TEST,
    title: 'two classes of one name that share nothing, as their decorators differ, do not warn',
  },
  {
    guard: 'one decorator twice on a method is no second method',
    file: METHOD_ID,
    where: 'MethodId.#isOfMethod',
    search:
      'return owner !== undefined && owner === this.#site.owner.of(instance) && site.name === this.#site.name;',
    replace: 'return false;',
    test: NAMES_TEST,
    title: 'several decorators on one method are no two methods: nothing warns',
  },
];
