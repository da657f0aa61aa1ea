import type { RateReply, RateRequest, RateRule, RateStore } from '../../../core/ports.js';
import { RateBatches, type RateSettings } from './rate-batches.js';
import { memoryKey } from './rate-consume.js';
import { ALGORITHMS, ruleValues, TIME } from './rate-lua.js';
import { script, type Scripts } from '../scripts.js';
import type { Servers } from '../servers.js';

type Refund = Parameters<RateStore['refund']>[0];

/** Rate limits in Redis. Whatever is decided is decided there, in one script, by that server's own time. */
export class RedisRateStore implements RateStore {
  readonly #scripts: Scripts;
  readonly #channel: string;
  readonly #settings: RateSettings;
  readonly #batches: RateBatches;

  /** @param channel where what was given back is told of */
  constructor(scripts: Scripts, servers: Servers, channel: string, settings: RateSettings) {
    this.#scripts = scripts;
    this.#channel = channel;
    this.#settings = settings;
    this.#batches = new RateBatches(scripts, servers, settings);
  }

  consume(request: RateRequest, budget?: number): Promise<RateReply> {
    return this.#batches.consume(request, budget);
  }

  refund(request: Refund, budget?: number): Promise<void> {
    return this.#scripts.run(refundScript, [request, this.#channel, this.#now()], budget);
  }

  async renew(rules: readonly RateRule[], token: string, budget?: number): Promise<boolean> {
    const slots = rules.filter(({ algorithm }) => algorithm === 'concurrency');
    return slots.length === 0 || this.#scripts.run(renewScript, [slots, token, this.#now()], budget);
  }

  block(subject: string, ms: number, budget?: number): Promise<void> {
    return this.#scripts.run(blockScript, [subject, ms, this.#channel, this.#now()], budget);
  }

  reset(subject: string, keys: readonly string[], budget?: number): Promise<void> {
    return this.#scripts.run(resetScript, [subject, keys, this.#channel], budget);
  }

  #now(): string {
    const { now } = this.#settings;
    return now === undefined ? '' : String(now());
  }
}

const refundScript = script<[request: Refund, channel: string, now: string], void>({
  name: 'refund',
  lua: `
-- KEYS[1] subject, [2] memory of the request whose units they are, then rules
-- ARGV[1] now in us or '', [2] channel, [3] cost, [4] token, [5] 1 to wake only if a slot was waited for; the rules
${TIME}
${ALGORITHMS}
local cost, token = tonumber(ARGV[3]), ARGV[4]
local found = call('MGET', unpack(KEYS))
local wakes = ARGV[5] ~= '1'
for i = 3, #KEYS do
  local rule = rule_of(6 + RULE * (i - 3))
  rule.key = KEYS[i]
  rule.algorithm.look(rule, now, found[i] or '', token)
  if rule.name == 'concurrency' and rule.used >= rule.limit then wakes = true end
  if cost > 0 then rule.algorithm.give(rule, cost, token) end
end
if found[2] then call('UNLINK', KEYS[2]) end
if wakes then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return 1
`,
  encode: ({ subject, rules, cost, token, quiet }, channel, now) => ({
    keys: [subject, memoryKey(subject, token), ...rules.map(({ key }) => key)],
    values: [now, channel, cost, token, quiet ? 1 : 0, ...rules.flatMap(ruleValues)],
  }),
  decode: () => undefined,
});

const renewScript = script<[rules: readonly RateRule[], token: string, now: string], boolean>({
  name: 'renew',
  lua: `
-- KEYS concurrency rules
-- ARGV[1] now in us or '', [2] token; the rules
-- Returns 1; 0 if the token has no slot of one of them any more
${TIME}
${ALGORITHMS}
local all = 1
for i, key in ipairs(KEYS) do
  local rule = rule_of(3 + RULE * (i - 1))
  rule.key = key
  rule.algorithm.look(rule, now, '', ARGV[2])
  if rule.others < rule.used then rule.algorithm.take(rule, 1, ARGV[2]) else all = 0 end
end
return all
`,
  encode: (rules, token, now) => ({
    keys: rules.map(({ key }) => key),
    values: [now, token, ...rules.flatMap(ruleValues)],
  }),
  decode: (reply) => reply === 1,
});

const blockScript = script<[subject: string, ms: number, channel: string, now: string], void>({
  name: 'block',
  lua: `
-- KEYS[1] subject
-- ARGV[1] now in us or '', [2] ms from now, [3] channel
${TIME}
local us = ARGV[2] * 1000
if us > 0 then call('SET', KEYS[1], text(now + us), 'PX', ms(us)) else call('UNLINK', KEYS[1]) end
redis.pcall('PUBLISH', ARGV[3], KEYS[1])
return 1
`,
  encode: (subject, ms, channel, now) => ({ keys: [subject], values: [now, Math.ceil(ms), channel] }),
  decode: () => undefined,
});

const resetScript = script<[subject: string, keys: readonly string[], channel: string], void>({
  name: 'reset',
  lua: `
-- KEYS[1] subject, then rules
-- ARGV[1] channel
for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end
redis.pcall('PUBLISH', ARGV[1], KEYS[1])
return 1
`,
  encode: (subject, keys, channel) => ({ keys: [subject, ...keys], values: [channel] }),
  decode: () => undefined,
});
