/** The guards of rate limits in Redis (see entries.js for the shape). */

const STORE = 'src/adapters/ioredis/limits/rate-store.ts';
const CONSUME = 'src/adapters/ioredis/limits/rate-consume.ts';
const BATCHES = 'src/adapters/ioredis/limits/rate-batches.ts';
const LUA = 'src/adapters/ioredis/limits/rate-lua.ts';
const METER = 'src/adapters/ioredis/limits/meter-lua.ts';
const LOG = 'src/adapters/ioredis/limits/sliding-window-log-lua.ts';
const CONTRACT = 'test/contract/ioredis.test.ts';
const RATES = 'test/adapters/ioredis-rates.test.ts';
const TWIN = 'test/adapters/ioredis-rates-twin.test.ts';

export const redisRatesMutations = [
  // --- what may be taken ------------------------------------------------------------------------------------------------
  {
    guard: 'units are taken from all rules or from none',
    file: CONSUME,
    where: 'consumeScript',
    search: 'local taken = cost > 0 and (all or forced)',
    replace: 'local taken = cost > 0 and (rules[1].allowed or forced)',
    test: CONTRACT,
    title: 'one Redis: takes from all rules or from none',
  },
  {
    guard: 'nothing is taken of a subject that is blocked',
    file: CONSUME,
    where: 'consumeScript',
    search: 'local all = blocked == 0',
    replace: 'local all = true',
    test: CONTRACT,
    title: 'one Redis: a block refuses everything of its subject, takes nothing, and ends',
  },
  {
    guard: 'a request sees what the one before it in the same script has taken',
    file: CONSUME,
    where: 'consumeScript',
    search: "written[key] or found[first + i] or ''",
    replace: "found[first + i] or ''",
    test: CONTRACT,
    title: 'one Redis: gcra: a hundred at once on one subject are let through to the limit and no further',
  },
  {
    guard: 'a clock that steps back stands still',
    file: METER,
    where: 'look',
    search: 'local clamped = max(now, tonumber(at))',
    replace: 'local clamped = now',
    test: TWIN,
    title: 'Property: Redis counts to the last digit as core does, whatever time does: gcra',
  },
  {
    guard: 'what is stored has all its digits',
    file: LUA,
    where: 'text',
    search: "'%.17g'",
    replace: "'%.14g'",
    test: TWIN,
    title:
      'Property: Redis counts to the last digit as core does, whatever time does: numbers that no double holds exactly',
  },
  {
    guard: 'every unit of a log is a member of its own',
    file: LOG,
    where: 'take',
    search: '(rule.serial + i) % 1e10',
    replace: 'i',
    test: TWIN,
    title: 'Property: Redis counts to the last digit as core does, whatever time does: sliding-window-log',
  },

  // --- once and no more -------------------------------------------------------------------------------------------------
  {
    guard: 'the answer to a repeatable request is remembered',
    file: CONSUME,
    where: 'consumeScript',
    search: 'if taken and memory then',
    replace: 'if false then',
    test: RATES,
    title: 'a reply that was lost: the same request again is answered, and taken once',
  },
  {
    guard: 'a request that is repeated in the same script is recognised',
    file: CONSUME,
    where: 'recall',
    search: 'was = remembered[key] or was',
    replace: '-- forgotten',
    test: CONTRACT,
    title: 'one Redis: answers a repeated request as the first time and takes once',
  },
  {
    guard: 'units that are given back are not answered for any more',
    file: STORE,
    where: 'refundScript',
    search: "if found[2] then call('UNLINK', KEYS[2]) end",
    replace: '',
    test: CONTRACT,
    title: 'one Redis: forgets the answer to a request whose units are given back',
  },
  {
    guard: 'a slot that has ended is not renewed',
    file: STORE,
    where: 'renewScript',
    search: 'if rule.others < rule.used then',
    replace: 'if true then',
    test: CONTRACT,
    title: 'one Redis: a slot that is renewed does not end, and one that has ended is not renewed',
  },
  {
    guard: 'a quiet refund wakes only if a slot was waited for',
    file: STORE,
    where: 'refundScript',
    search: "local wakes = ARGV[5] ~= '1'",
    replace: 'local wakes = true',
    test: CONTRACT,
    title: 'one Redis: wakes when units come back, and quietly only if a slot was waited for',
  },

  // --- keys -------------------------------------------------------------------------------------------------------------
  {
    guard: 'a key without an end that refuses gets one',
    file: CONSUME,
    where: 'mend',
    search: "if call('PTTL', key) == -1 then call('PEXPIRE', key, ms(per)) end",
    replace: '',
    test: RATES,
    title: 'a key without an end that refuses gets one: the window',
  },
  {
    guard: 'what is counted in a sorted set ends',
    file: LUA,
    where: 'keep_set',
    search: "call('PEXPIRE', rule.key, ms(left + rule.now - now))",
    replace: '',
    test: RATES,
    title: 'no key is ever without an end',
  },
  {
    guard: 'a key does not end before the clock has caught up',
    file: LUA,
    where: 'keep',
    search: "call('SET', rule.key, value, 'PX', ms(left + rule.now - now))",
    replace: "call('SET', rule.key, value, 'PX', ms(left))",
    test: TWIN,
    title: 'a key lives until the clock, set back meanwhile, has come to the end of what it counts',
  },
  {
    guard: 'what stands at a rule’s name and is not ours is removed',
    file: LUA,
    where: 'add',
    search: "if rule.foreign then call('UNLINK', rule.key) end",
    replace: '',
    test: RATES,
    title: 'what stands at our names and is not ours is replaced, never a crash',
  },

  // --- batches ----------------------------------------------------------------------------------------------------------
  {
    guard: 'in a Cluster a script has the requests of one slot',
    file: BATCHES,
    where: 'RateBatches.#send',
    search: 'if (slotOf === undefined) return',
    replace: 'if (slotOf !== null) return',
    test: RATES,
    title: 'in a Cluster all that belongs to a subject is in one slot, and subjects are spread',
  },
  {
    guard: 'a budget ends its own call only',
    file: BATCHES,
    where: 'RateBatches.consume',
    search: 'if (settles(batch, late)) late.reject(error);\n        });',
    replace:
      'for (const one of batch.calls) if (settles(batch, one)) one.reject(error);\n          void late;\n        });',
    test: RATES,
    title: 'a budget that is over ends its own call and no other of the batch',
  },
  {
    guard: 'what is consumed within one tick travels together',
    file: BATCHES,
    where: 'RateBatches.consume',
    search: 'batch.calls.length >= LARGEST',
    replace: 'batch.calls.length >= 1',
    test: RATES,
    title: 'what is consumed within one tick travels together, 32 requests in a script',
  },
];
