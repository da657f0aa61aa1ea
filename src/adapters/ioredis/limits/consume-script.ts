import type { RateReply, RateRequest, RuleReading } from '../../../core/ports/rate-store.js';
import { ALGORITHMS, ruleValues, TIME } from './lua/prelude.js';
import { script } from '../commands/script.js';

/** How long a reply is remembered at most, in ms. */
const LONGEST_MEMORY = 60_000;

/**
 * Where the reply to a repeatable request stands. It shares the slot of its subject, and is the key of no rule: those
 * go on with a colon.
 */
export function memoryKey(subject: string, token: string): string {
  return `${subject}#${token}`;
}

/** Any number of requests, answered one after the other as if each had come alone. All of one slot in a Cluster. */
export const consumeScript = script<[requests: readonly RateRequest[], now: string], readonly RateReply[]>({
  name: 'consume',
  lua: `
-- KEYS for each request: its subject, where its block stands; its rules; if it is repeatable: its memory
-- ARGV[1] now in us, or '' for the time of this server. Then, for each row of requests that differ in keys and tokens
-- only: how many, cost, 1 if forced, 1 if repeatable, 1 if tokens are there, how many rules; the rules; the tokens
-- Returns for each request: ms of its block; for each rule: 1 if there was room, used, remaining, ms until there is
-- room again, ms until nothing counts any more
${TIME}
${ALGORITHMS}
local found = call('MGET', unpack(KEYS))
local reply, said, place = {}, 0, 1

local remembered = {}
local function recall(key, was, numbers)
  -- guard: request-is-repeated-in-one-script-lua
  was = remembered[key] or was
  if not was then return false end
  local count = 0
  for number in string.gmatch(was, '%d+') do
    count = count + 1
    reply[said + count] = tonumber(number)
  end
  return count == numbers
end

local mended = {}
local function mend(key, per)
  if mended[key] then return end
  mended[key] = true
  if call('PTTL', key) == -1 then call('PEXPIRE', key, ms(per)) end
end

local function blocked_for(key, was, per)
  local left = was and (tonumber(was) or 0) - now or 0
  if left <= 0 then return 0 end
  mend(key, per)
  return ms(left)
end

local at = 2
while at <= #ARGV do
  local requests, cost, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 5])
  local forced, repeatable, with_tokens = ARGV[at + 2] == '1', ARGV[at + 3] == '1', ARGV[at + 4] == '1'
  at = at + 6
  local ask, longest, rules = max(1, cost), 1, {}
  for i = 1, count do
    local rule = rule_of(at)
    longest = max(longest, rule.per)
    rules[i] = rule
    at = at + RULE
  end
  for request = 0, requests - 1 do
    local token, first = with_tokens and ARGV[at + request], place
    place = place + 1 + count
    local memory = repeatable and KEYS[place]
    if not (memory and recall(memory, found[place], 1 + 5 * count)) then
      local blocked = blocked_for(KEYS[first], found[first], longest)
      -- guard: blocked-subject-is-not-charged-lua
      local all = blocked == 0
      for i = 1, count do
        local rule, key = rules[i], KEYS[first + i]
        rule.key = key
        -- guard: request-sees-those-before-it-lua
        rule.algorithm.look(rule, now, written[key] or found[first + i] or '', token)
        rule.allowed = rule.algorithm.fits(rule, ask)
        all = all and rule.allowed
      end
      -- guard: all-rules-or-none-lua
      local taken = cost > 0 and (all or forced)
      reply[said + 1] = blocked
      for i = 1, count do
        local rule, to = rules[i], said + 5 * i
        if taken then rule.algorithm.take(rule, cost, token)
        elseif not rule.allowed then mend(rule.key, rule.per) end
        local used, remaining, retry, reset = rule.algorithm.read(rule, min(ask, rule.burst))
        reply[to - 3], reply[to - 2], reply[to - 1] = rule.allowed and 1 or 0, used, remaining
        reply[to], reply[to + 1] = ms(retry), ms(reset)
      end
      -- guard: repeated-request-is-answered-once-lua
      if taken and memory then
        remembered[memory] = table.concat(reply, ' ', said + 1, said + 1 + 5 * count)
        call('SET', memory, remembered[memory], 'PX', min(ms(longest), ${LONGEST_MEMORY}))
      end
    end
    said = said + 1 + 5 * count
    if repeatable then place = place + 1 end
  end
  if with_tokens then at = at + requests end
end
return reply
`,
  encode: (requests, now) => {
    const keys: string[] = [];
    const values: (string | number)[] = [now];
    let like: RateRequest | undefined;
    let row = 0;
    let tokens = false;
    let length = 0;
    for (const request of requests) {
      const { subject, rules, token, repeatable } = request;
      if (like === undefined || !isAlike(like, request)) {
        like = request;
        length = 0;
        tokens = rules.some(
          ({ algorithm }) => algorithm === 'sliding-window-log' || algorithm === 'concurrency',
        );
        row = values.length;
        values.push(0, request.cost, flag(request.force), flag(repeatable), flag(tokens), rules.length);
        for (const rule of rules) values.push(...ruleValues(rule));
      }
      values[row] = ++length;
      if (tokens) values.push(token);
      keys.push(subject);
      for (const { key } of rules) keys.push(key);
      if (repeatable) keys.push(memoryKey(subject, token));
    }
    return { keys, values };
  },
  decode: (reply, requests) => {
    const numbers = reply as readonly number[];
    let place = 0;
    return requests.map(({ rules }) => ({
      blockedMs: numbers[place++]!,
      rules: rules.map((): RuleReading => ({
        allowed: numbers[place++] === 1,
        used: numbers[place++]!,
        remaining: numbers[place++]!,
        retryAfterMs: numbers[place++]!,
        resetMs: numbers[place++]!,
      })),
    }));
  },
});

function flag(is: boolean): number {
  return is ? 1 : 0;
}

/** They differ in keys and tokens only. */
function isAlike(one: RateRequest, other: RateRequest): boolean {
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
