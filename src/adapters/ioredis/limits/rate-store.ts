import type { Clock } from '../../../core/ports/clock.js';
import type { RateReply, RateRequest, RateRule, RateStore } from '../../../core/ports/rate-store.js';
import { script, type ScriptRunner } from '../commands/script.js';
import { ScriptBatcher } from '../commands/script-batcher.js';
import type { Topology } from '../connection/topology.js';
import { consumeGcraScript, hasOnlyGcra } from './consume-gcra-script.js';
import { consumeScript, replyKey } from './consume-script.js';
import { ALGORITHMS, ruleValues, TIME } from './lua/prelude.js';

export interface RateStoreSettings {
  readonly clock: Clock;
  /** In ms. */
  readonly timeout: number;
  /** For tests of the arithmetic: returns us since the epoch, which replace the server's time. */
  readonly now?: (() => number) | undefined;
}

type Refund = Parameters<RateStore['refund']>[0];

const MAX_REQUESTS = 32;

/**
 * Rate limits in Redis. A script on the server makes every decision, by the server's time. The requests of one tick are
 * sent as one script (in a Cluster as one script for each slot, in one write for each node).
 *
 * @see G9 in docs/coherence.md
 */
export class RedisRateStore implements RateStore {
  readonly #scripts: ScriptRunner;
  readonly #channel: string;
  readonly #settings: RateStoreSettings;
  readonly #batcher: ScriptBatcher<RateRequest, RateReply>;

  /**
   * @param channel on which a refund, a block or a reset is published, for waiting calls and for remembered refusals. The release
   * of a slot is published for the processes that wait for it (connection/wakeup-channels.ts)
   */
  constructor(scripts: ScriptRunner, topology: Topology, channel: string, settings: RateStoreSettings) {
    this.#scripts = scripts;
    this.#channel = channel;
    this.#settings = settings;
    this.#batcher = new ScriptBatcher(scripts, topology, {
      ...settings,
      label: `consume on ${topology.where}`,
      maxRequests: MAX_REQUESTS,
      keyOf: ({ subject }) => subject,
      start: (requests, resolve, reject) =>
        scripts.start(
          requests.every(hasOnlyGcra) ? consumeGcraScript : consumeScript,
          [requests, this.#now()],
          resolve,
          reject,
        ),
    });
  }

  consume(request: RateRequest, timeout?: number): Promise<RateReply> {
    return this.#batcher.run(request, timeout);
  }

  refund(request: Refund, timeout?: number): Promise<void> {
    return this.#scripts.run(refundScript, [request, this.#channel, this.#now()], timeout);
  }

  async renew(rules: readonly RateRule[], token: string, timeout?: number): Promise<boolean> {
    const slots = rules.filter(({ algorithm }) => algorithm === 'concurrency');
    return slots.length === 0 || this.#scripts.run(renewScript, [slots, token, this.#now()], timeout);
  }

  block(subject: string, ms: number, timeout?: number): Promise<void> {
    return this.#scripts.run(blockScript, [subject, ms, this.#channel, this.#now()], timeout);
  }

  reset(subject: string, keys: readonly string[], timeout?: number): Promise<void> {
    return this.#scripts.run(resetScript, [subject, keys, this.#channel], timeout);
  }

  #now(): string {
    const { now } = this.#settings;
    return now === undefined ? '' : String(now());
  }
}

const refundScript = script<[request: Refund, channel: string, now: string], void>({
  name: 'refund',
  lua: `
-- KEYS[1] subject, [2] stored reply to the request that took the units, then rules
-- ARGV[1] now in us or '', [2] channel, [3] cost, [4] token, [5] 1 to wake only if all slots were taken; the rules
${TIME}
${ALGORITHMS}
local cost, token = tonumber(ARGV[3]), ARGV[4]
local found = call('MGET', unpack(KEYS))
local wakes = false
for i = 3, #KEYS do
  local rule = rule_of(6 + RULE * (i - 3))
  rule.key = KEYS[i]
  rule.algorithm.load(rule, now, found[i] or '', token)
  if rule.name == 'concurrency' and rule.used >= rule.limit then wakes = true end
  if cost > 0 then rule.algorithm.refund(rule, cost, token) end
end
-- guard: refund-forgets-the-answer-lua
if found[2] then call('UNLINK', KEYS[2]) end
if ARGV[5] ~= '1' then redis.pcall('PUBLISH', ARGV[2], KEYS[1])
elseif wakes then redis.pcall('PUBLISH', ARGV[2] .. ':' .. KEYS[1], '') end
return 1
`,
  encode: ({ subject, rules, cost, token, wakeOnlyIfFull }, channel, now) => ({
    keys: [subject, replyKey(subject, token), ...rules.map(({ key }) => key)],
    values: [now, channel, cost, token, wakeOnlyIfFull ? 1 : 0, ...rules.flatMap(ruleValues)],
  }),
  decode: () => undefined,
});

const renewScript = script<[rules: readonly RateRule[], token: string, now: string], boolean>({
  name: 'renew',
  lua: `
-- KEYS concurrency rules
-- ARGV[1] now in us or '', [2] token; the rules
-- Returns 1; 0 if the token has lost its slot of at least one rule
${TIME}
${ALGORITHMS}
local all_renewed = 1
for i, key in ipairs(KEYS) do
  local rule = rule_of(3 + RULE * (i - 1))
  rule.key = key
  rule.algorithm.load(rule, now, '', ARGV[2])
  -- guard: ended-slot-is-not-renewed-lua
  if rule.others < rule.used then rule.algorithm.consume(rule, 1, ARGV[2]) else all_renewed = 0 end
end
return all_renewed
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
-- ARGV[1] now in us or '', [2] duration of the block in ms, 0 to remove it, [3] channel
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
