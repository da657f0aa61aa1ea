import type { RateReply, RateRequest, RuleReading } from '../../../core/ports/rate-store.js';
import { ALGORITHMS, ruleValues, TIME } from './lua/prelude.js';
import { script } from '../commands/script.js';

/** The longest time for which a reply is remembered. */
const MAX_REPLY_MEMORY_MS = 60_000;

/**
 * Returns the key of the stored reply to a repeatable request. It has the slot of its subject, and is never the key of
 * a rule, which has a colon after the subject.
 */
export function replyKey(subject: string, token: string): string {
  return `${subject}#${token}`;
}

/** Consumes for any number of requests of one slot, in order, as if each had been sent alone. */
export const consumeScript = script<[requests: readonly RateRequest[], now: string], readonly RateReply[]>({
  name: 'consume',
  lua: `
-- KEYS for each request: the subject, which is also the key of its block; the rules; if it is repeatable: its stored
-- reply
-- ARGV[1] now in us, or '' for the time of this server. Then for each run of requests that differ in keys and tokens
-- only: number of requests, cost, 1 if forced, 1 if repeatable, 1 if tokens follow, number of rules; the rules; the
-- tokens
-- Returns for each request: remaining ms of its block; for each rule: 1 if there was room, used, remaining, ms until
-- there is room again, ms until nothing is used
${TIME}
${ALGORITHMS}
local found = call('MGET', unpack(KEYS))
local reply, size, key_index = {}, 0, 1

-- Appends the stored reply to a repeatable request. False if there is none.
local stored_replies = {}
local function append_stored_reply(key, value, numbers)
  -- guard: request-is-repeated-in-one-script-lua
  value = stored_replies[key] or value
  if not value then return false end
  local count = 0
  for number in string.gmatch(value, '%d+') do
    count = count + 1
    reply[size + count] = tonumber(number)
  end
  return count == numbers
end

-- Sets a ttl on a key that has none (another program may have written it), so that no refusal is forever.
local checked = {}
local function ensure_ttl(key, per)
  if checked[key] then return end
  checked[key] = true
  if call('PTTL', key) == -1 then call('PEXPIRE', key, ms(per)) end
end

local function blocked_for(key, value, per)
  local remaining = value and (tonumber(value) or 0) - now or 0
  if remaining <= 0 then return 0 end
  ensure_ttl(key, per)
  return ms(remaining)
end

local arg_index = 2
while arg_index <= #ARGV do
  local requests, cost, count = tonumber(ARGV[arg_index]), tonumber(ARGV[arg_index + 1]), tonumber(ARGV[arg_index + 5])
  local forced, repeatable, with_tokens = ARGV[arg_index + 2] == '1', ARGV[arg_index + 3] == '1', ARGV[arg_index + 4] == '1'
  arg_index = arg_index + 6
  local units, longest, rules = max(1, cost), 1, {}
  for i = 1, count do
    local rule = rule_of(arg_index)
    longest = max(longest, rule.per)
    rules[i] = rule
    arg_index = arg_index + RULE
  end
  for request = 0, requests - 1 do
    local token, first = with_tokens and ARGV[arg_index + request], key_index
    key_index = key_index + 1 + count
    local reply_key = repeatable and KEYS[key_index]
    if not (reply_key and append_stored_reply(reply_key, found[key_index], 1 + 5 * count)) then
      local blocked = blocked_for(KEYS[first], found[first], longest)
      -- guard: blocked-subject-is-not-charged-lua
      local is_admitted = blocked == 0
      for i = 1, count do
        local rule, key = rules[i], KEYS[first + i]
        rule.key = key
        -- guard: request-sees-those-before-it-lua
        rule.algorithm.load(rule, now, written[key] or found[first + i] or '', token)
        rule.allowed = rule.algorithm.has_room(rule, units)
        is_admitted = is_admitted and rule.allowed
      end
      -- guard: all-rules-or-none-lua
      local is_taken = cost > 0 and (is_admitted or forced)
      reply[size + 1] = blocked
      for i = 1, count do
        local rule, to = rules[i], size + 5 * i
        if is_taken then rule.algorithm.consume(rule, cost, token)
        elseif not rule.allowed then ensure_ttl(rule.key, rule.per) end
        -- A forced cost may exceed the burst. The wait is then that for a full burst.
        local used, remaining, retry, reset = rule.algorithm.status(rule, min(units, rule.burst))
        reply[to - 3], reply[to - 2], reply[to - 1] = rule.allowed and 1 or 0, used, remaining
        reply[to], reply[to + 1] = ms(retry), ms(reset)
      end
      -- guard: repeated-request-is-answered-once-lua
      if is_taken and reply_key then
        stored_replies[reply_key] = table.concat(reply, ' ', size + 1, size + 1 + 5 * count)
        call('SET', reply_key, stored_replies[reply_key], 'PX', min(ms(longest), ${MAX_REPLY_MEMORY_MS}))
      end
    end
    size = size + 1 + 5 * count
    if repeatable then key_index = key_index + 1 end
  end
  if with_tokens then arg_index = arg_index + requests end
end
return reply
`,
  encode: (requests, now) => {
    const keys: string[] = [];
    const values: (string | number)[] = [now];
    let first: RateRequest | undefined;
    let runIndex = 0;
    let runLength = 0;
    let hasTokens = false;
    for (const request of requests) {
      const { subject, rules, token, repeatable } = request;
      if (first === undefined || !isSameRun(first, request)) {
        first = request;
        runLength = 0;
        hasTokens = rules.some(
          ({ algorithm }) => algorithm === 'sliding-window-log' || algorithm === 'concurrency',
        );
        runIndex = values.length;
        values.push(0, request.cost, flag(request.force), flag(repeatable), flag(hasTokens), rules.length);
        for (const rule of rules) values.push(...ruleValues(rule));
      }
      values[runIndex] = ++runLength;
      if (hasTokens) values.push(token);
      keys.push(subject);
      for (const { key } of rules) keys.push(key);
      if (repeatable) keys.push(replyKey(subject, token));
    }
    return { keys, values };
  },
  decode: (reply, requests) => {
    const numbers = reply as readonly number[];
    let index = 0;
    return requests.map(({ rules }) => ({
      blockedMs: numbers[index++]!,
      rules: rules.map((): RuleReading => ({
        allowed: numbers[index++] === 1,
        used: numbers[index++]!,
        remaining: numbers[index++]!,
        retryAfterMs: numbers[index++]!,
        resetMs: numbers[index++]!,
      })),
    }));
  },
});

function flag(value: boolean): number {
  return value ? 1 : 0;
}

/** True if the requests differ in keys and tokens only. */
function isSameRun(one: RateRequest, other: RateRequest): boolean {
  return (
    one.cost === other.cost &&
    one.force === other.force &&
    one.repeatable === other.repeatable &&
    one.rules.length === other.rules.length &&
    one.rules.every((rule, i) => {
      const { algorithm, limit, perMs, burst } = other.rules[i]!;
      return (
        rule.algorithm === algorithm && rule.limit === limit && rule.perMs === perMs && rule.burst === burst
      );
    })
  );
}
