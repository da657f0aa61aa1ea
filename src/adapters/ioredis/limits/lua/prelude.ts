import type { RateRule } from '../../../../core/ports/rate-store.js';
import { MAX_MS } from '../../../../core/ports/rate-store.js';
import { CONCURRENCY } from './concurrency.js';
import { FIXED_WINDOW } from './fixed-window.js';
import { GCRA } from './gcra.js';
import { SLIDING_WINDOW_COUNTER } from './sliding-window-counter.js';
import { SLIDING_WINDOW_LOG } from './sliding-window-log.js';

/**
 * Lua: the start of every rate limit script. ARGV[1] is the time in us since the epoch, or '' for the server's time.
 */
export const TIME = `
local call, match = redis.call, string.match
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

-- Microseconds since the epoch. Read once, because the replies of TIME differ within one script.
local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function ms(us)
  return min(ceil(us / 1000), ${MAX_MS})
end

-- A whole number with all its digits. (tostring of Lua prints 14 of them.)
local format = string.format
local function text(number)
  -- guard: numbers-are-kept-with-all-digits-lua
  return format(number < 9007199254740992 and '%d' or '%.17g', number)
end

-- The same for a time. The latest text is cached, because most times in a script are equal.
local latest_time, latest_text
local function text_of_time(us)
  if us ~= latest_time then latest_time, latest_text = us, text(us) end
  return latest_text
end
`;

/** Encodes a rule for ARGV, as `rule_of` reads it. */
export function ruleValues({ algorithm, limit, perMs, burst }: RateRule): (string | number)[] {
  return [algorithm, limit, perMs, burst];
}

/**
 * Lua: the algorithms. Each is the twin of one in core/limits/algorithms: the same operations in the same order, so
 * that both compute the same numbers to the last digit. A test compares them.
 *
 *   load(rule, now, found, token)  reads the state into the rule
 *   has_room(rule, units)          true if there is room for the units
 *   consume(rule, cost, token)     takes units, even if there is no room
 *   refund(rule, cost, token)      returns units
 *   status(rule, units)            used, remaining, us until there is room for the units, us until nothing is used
 *
 * A value at a key that is not a state of its algorithm counts as no state, and is replaced.
 */
export const ALGORITHMS = `
-- The states that this script has written to strings, for its later requests.
local written = {}

-- Stores a state for some us after rule.now, or removes it if there are none. The clock may be behind rule.now, if it
-- was set back.
local function store(rule, remaining, value)
  if remaining > 0 then
    call('SET', rule.key, value, 'PX', ms(remaining + rule.now - now))
    written[rule.key] = value
  else
    call('UNLINK', rule.key)
  end
end

-- The size of a sorted set. A value of another type counts as empty, and is removed before a member is added.
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

local function remove_until(rule, us)
  if rule.size > rule.used then call('ZREMRANGEBYSCORE', rule.key, '-inf', text(us)) end
end

local function expire_set(rule, remaining)
  -- guard: sorted-set-has-an-end-lua
  call('PEXPIRE', rule.key, ms(remaining + rule.now - now))
end

local function add(rule, ...)
  if rule.foreign then call('UNLINK', rule.key) end
  rule.foreign = false
  call('ZADD', rule.key, ...)
end

${GCRA}
${FIXED_WINDOW}
${SLIDING_WINDOW_COUNTER}
${SLIDING_WINDOW_LOG}
${CONCURRENCY}
-- Created on demand, because most scripts use one algorithm.
local algorithms = {}
local function algorithm_of(name)
  local algorithm = algorithms[name]
  if algorithm then return algorithm end
  if name == 'gcra' or name == 'token-bucket' then algorithm = gcra()
  elseif name == 'fixed-window' then algorithm = fixed_window()
  elseif name == 'sliding-window-counter' then algorithm = sliding_window_counter()
  elseif name == 'sliding-window-log' then algorithm = sliding_window_log()
  else algorithm = concurrency() end
  algorithms[name] = algorithm
  return algorithm
end

-- Decodes the rule that starts at ARGV[at]: algorithm, limit, window in ms, burst.
local RULE = 4
local function rule_of(at)
  local limit, per, burst = tonumber(ARGV[at + 1]), ARGV[at + 2] * 1000, tonumber(ARGV[at + 3])
  return {name = ARGV[at], algorithm = algorithm_of(ARGV[at]), limit = limit, per = per, burst = burst, capacity = burst * per}
end
`;
