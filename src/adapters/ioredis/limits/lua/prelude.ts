import type { RateRule } from '../../../../core/ports/rate-store.js';
import { MAX_MS } from '../../../../core/ports/rate-store.js';
import { CONCURRENCY } from './concurrency.js';
import { FIXED_WINDOW } from './fixed-window.js';
import { METER } from './gcra.js';
import { SLIDING_COUNTER } from './sliding-window-counter.js';
import { SLIDING_LOG } from './sliding-window-log.js';

/** What scripts of rate limits begin with. ARGV[1] is the time in us since the epoch, or '' for the server's own. */
export const TIME = `
local call, match = redis.call, string.match
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

-- Microseconds since the epoch. Asked for once in a script, because within one the answers of TIME differ.
local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function ms(us)
  return min(ceil(us / 1000), ${MAX_MS})
end

-- All of its digits, which Lua by itself would not print. It is whole.
local format = string.format
local function text(number)
  -- guard: numbers-are-kept-with-all-digits-lua
  return format(number < 9007199254740992 and '%d' or '%.17g', number)
end

-- The same for a time: in one script mostly the same one.
local stamped, stamp
local function text_of_time(us)
  if us ~= stamped then stamped, stamp = us, text(us) end
  return stamp
end
`;

/** The values of a rule in ARGV, as many as `rule_of` reads. */
export function ruleValues({ algorithm, limit, perMs, burst }: RateRule): (string | number)[] {
  return [algorithm, limit, perMs, burst];
}

/**
 * The algorithms. Each is the twin of one in core, the same operations in the same order, so that both give the same
 * numbers to the last digit. `look` puts into the rule what was counted under its key by now; then
 *
 *   fits(rule, ask)          there is room for so many units
 *   take(rule, cost, token)  takes them, whether there is room or not
 *   give(rule, cost, token)  gives units back
 *   read(rule, wish)         used, remaining, us until there is room for so many units, us until nothing counts
 *
 * What stands at a key and is no state of its algorithm counts as nothing, and is replaced.
 */
export const ALGORITHMS = `
-- What was written to strings, for requests that come after in the same script.
local written = {}

-- For so many us from the rule's now, to which the clock may have yet to come; not at all if there are none.
local function keep(rule, left, value)
  if left > 0 then
    call('SET', rule.key, value, 'PX', ms(left + rule.now - now))
    written[rule.key] = value
  else
    call('UNLINK', rule.key)
  end
end

-- A sorted set; what is foreign is empty, and removed before anything is added.
local function size_of(rule)
  local size = redis.pcall('ZCARD', rule.key)
  rule.foreign = type(size) == 'table'
  if not rule.foreign then return size end
  if string.sub(size.err, 1, 9) ~= 'WRONGTYPE' then call('ZCARD', rule.key) end
  return 0
end

local function count_after(rule, us)
  return rule.size == 0 and 0 or call('ZCOUNT', rule.key, '(' .. text(us), '+inf')
end

local function score_at(rule, rank)
  return tonumber(call('ZRANGE', rule.key, rank, rank, 'WITHSCORES')[2])
end

local function drop_until(rule, us)
  if rule.size > rule.used then call('ZREMRANGEBYSCORE', rule.key, '-inf', text(us)) end
end

local function keep_set(rule, left)
  -- guard: sorted-set-has-an-end-lua
  call('PEXPIRE', rule.key, ms(left + rule.now - now))
end

local function add(rule, ...)
  if rule.foreign then call('UNLINK', rule.key) end
  rule.foreign = false
  call('ZADD', rule.key, ...)
end

${METER}
${FIXED_WINDOW}
${SLIDING_COUNTER}
${SLIDING_LOG}
${CONCURRENCY}
-- Made when a rule asks for it: most scripts need one.
local algorithms = {}
local function algorithm_of(name)
  local made = algorithms[name]
  if made then return made end
  if name == 'gcra' or name == 'token-bucket' then made = meter()
  elseif name == 'fixed-window' then made = fixed_window()
  elseif name == 'sliding-window-counter' then made = sliding_counter()
  elseif name == 'sliding-window-log' then made = sliding_log()
  else made = concurrency() end
  algorithms[name] = made
  return made
end

-- From ARGV[at] on: algorithm, limit, window in ms, burst.
local RULE = 4
local function rule_of(at)
  local limit, per, burst = tonumber(ARGV[at + 1]), ARGV[at + 2] * 1000, tonumber(ARGV[at + 3])
  return {name = ARGV[at], algorithm = algorithm_of(ARGV[at]), limit = limit, per = per, burst = burst, room = burst * per}
end
`;
