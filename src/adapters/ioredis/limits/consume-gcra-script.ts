import type { RateReply, RateRequest } from '../../../core/ports/rate-store.js';
import { script } from '../commands/script.js';
import { TIME } from './lua/prelude.js';

/**
 * Consumes for requests with one rule each, of `gcra` or `token-bucket`, which are not repeatable: the default of every
 * verb. It counts as `consumeScript` does, in half the time, because it creates no function for other algorithms.
 */
export const consumeGcraScript = script<
  [requests: readonly RateRequest[], now: string],
  readonly RateReply[]
>({
  name: 'consume',
  lua: `
-- KEYS for each request: the subject, which is also the key of its block; its rule
-- ARGV[1] now in us, or '' for the time of this server. Then for each run of requests that differ in keys only: number
-- of requests, cost, 1 if forced, limit, window in ms, burst
-- Returns for each request: remaining ms of its block; 1 if there was room, used, remaining, ms until there is room
-- again, ms until nothing is used
${TIME}
local found = call('MGET', unpack(KEYS))
-- The states that this script has written, for its later requests.
local written = {}
local reply
local size, key_index, arg_index = 0, 1, 2
while arg_index <= #ARGV do
  local cost, forced, limit = tonumber(ARGV[arg_index + 1]), ARGV[arg_index + 2] == '1', tonumber(ARGV[arg_index + 3])
  local per, burst = ARGV[arg_index + 4] * 1000, tonumber(ARGV[arg_index + 5])
  local capacity, units = burst * per, max(1, cost)
  -- A forced cost may exceed the burst. The wait is then that for a full burst.
  local awaited = min(units, burst) * per
  for _ = 1, ARGV[arg_index] do
    local key = KEYS[key_index + 1]
    -- A block. Any key that has no ttl (another program may have written it) gets one, so that no refusal is forever.
    local block = found[key_index]
    local blocked = block and max(0, (tonumber(block) or 0) - now) or 0
    if blocked > 0 and call('PTTL', KEYS[key_index]) == -1 then call('PEXPIRE', KEYS[key_index], ms(per)) end
    -- guard: gcra-request-sees-those-before-it-lua
    local at, debt = match(written[key] or found[key_index + 1] or '', '^meter (%d+) (%d[%d.e+]*)$')
    local time = now
    if at then
      -- If the clock was set back, the time of the state is used until the clock has caught up.
      -- guard: only-gcra-stands-still-while-the-clock-is-back-lua
      time = max(now, tonumber(at))
      debt = max(0, debt - (time - at) * limit)
    else
      debt = 0
    end
    local allowed = debt + units * per <= capacity
    -- guard: blocked-subject-is-not-charged-by-gcra-lua
    if cost > 0 and (forced or (allowed and blocked <= 0)) then
      debt = debt + cost * per
      -- guard: gcra-numbers-are-kept-with-all-digits-lua
      local state = format(debt < 9007199254740992 and 'meter %d %d' or 'meter %d %.17g', time, debt)
      call('SET', key, state, 'PX', ms(ceil(debt / limit) + time - now))
      written[key] = state
    elseif not allowed and call('PTTL', key) == -1 then
      call('PEXPIRE', key, ms(per))
    end
    local excess = debt + awaited - capacity
    local has_room, used, remaining = allowed and 1 or 0, ceil(debt / per), max(0, floor((capacity - debt) / per))
    local retry, reset = excess <= 0 and 0 or ms(ceil(excess / limit)), ms(ceil(debt / limit))
    if reply then
      reply[size + 1], reply[size + 2], reply[size + 3] = ms(blocked), has_room, used
      reply[size + 4], reply[size + 5], reply[size + 6] = remaining, retry, reset
    else
      -- A table that is created with its numbers does not grow, which saves half a microsecond of a single request.
      reply = {ms(blocked), has_room, used, remaining, retry, reset}
    end
    size, key_index = size + 6, key_index + 2
  end
  arg_index = arg_index + 6
end
return reply
`,
  encode: (requests, now) => {
    const keys: string[] = [];
    const values: (string | number)[] = [now];
    let first: RateRequest | undefined;
    let runIndex = 0;
    for (const request of requests) {
      const rule = request.rules[0]!;
      keys.push(request.subject, rule.key);
      if (first !== undefined && isSameRun(first, request)) {
        values[runIndex] = (values[runIndex] as number) + 1;
      } else {
        first = request;
        runIndex = values.length;
        values.push(1, request.cost, request.force ? 1 : 0, rule.limit, rule.perMs, rule.burst);
      }
    }
    return { keys, values };
  },
  decode: (reply, requests) => {
    const numbers = reply as readonly number[];
    return requests.map((_, i) => {
      const at = 6 * i;
      return {
        blockedMs: numbers[at]!,
        rules: [
          {
            allowed: numbers[at + 1] === 1,
            used: numbers[at + 2]!,
            remaining: numbers[at + 3]!,
            retryAfterMs: numbers[at + 4]!,
            resetMs: numbers[at + 5]!,
          },
        ],
      };
    });
  },
});

/** True if the script above can serve the request. */
export function hasOnlyGcra({ rules, repeatable }: RateRequest): boolean {
  if (repeatable || rules.length !== 1) return false;
  const { algorithm } = rules[0]!;
  return algorithm === 'gcra' || algorithm === 'token-bucket';
}

/** True if the requests differ in keys only. */
function isSameRun(one: RateRequest, other: RateRequest): boolean {
  const rule = one.rules[0]!;
  const { limit, perMs, burst } = other.rules[0]!;
  return (
    one.cost === other.cost &&
    one.force === other.force &&
    rule.limit === limit &&
    rule.perMs === perMs &&
    rule.burst === burst
  );
}
