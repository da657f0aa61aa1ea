import { Buffer } from 'node:buffer';
import { windowOf } from '../../../core/limits/algorithms/algorithm.js';
import { gcra } from '../../../core/limits/algorithms/gcra.js';
import { MAX_MS, type RateReply, type RateRequest } from '../../../core/ports/rate-store.js';
import { script } from '../commands/script.js';

/** Larger whole numbers are not all exact, so they travel as text. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER + 1;

/**
 * Consumes for requests with one rule each, of `gcra` or `token-bucket`, which are not repeatable: the default of every
 * verb. It counts as `consumeScript` does, for less: it creates no function for other algorithms, its arguments and its reply are
 * few, and the status of a rule is computed here, from the debt.
 */
export const consumeGcraScript = script<
  [requests: readonly RateRequest[], now: string],
  readonly RateReply[]
>({
  name: 'consume',
  lua: `
-- KEYS for each request: the subject, which is also the key of its block; its rule
-- ARGV for each run of requests that differ in keys only: limit, window in us, burst, cost (negative: forced), number of
-- requests. The last run may omit the number, then it has all further requests, and a cost of 1 before it. After complete
-- runs: now in us, instead of the time of this server
-- Returns for each request the debt after it, in credits. Without room, or for a blocked subject: {remaining ms of the
-- block, 1 if there was room, the debt}. A debt of 2^53 or more is a text
local call, match, format = redis.call, string.match, string.format
local ceil, max, min = math.ceil, math.max, math.min
local now = #ARGV % 5 == 1 and tonumber(ARGV[#ARGV])
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local found = call('MGET', unpack(KEYS))
-- The states that this script has written, for its later requests.
local written = {}
local reply = {}
local key_index, arg_index = 1, 1
repeat
  local limit, per, burst = tonumber(ARGV[arg_index]), tonumber(ARGV[arg_index + 1]), tonumber(ARGV[arg_index + 2])
  local cost, last = tonumber(ARGV[arg_index + 3] or 1), #KEYS
  if ARGV[arg_index + 4] then last = key_index + 2 * ARGV[arg_index + 4] - 1 end
  local forced = cost < 0
  if forced then cost = -cost end
  local capacity, room = burst * per, max(1, cost) * per
  arg_index = arg_index + 5
  for at_key = key_index + 1, last, 2 do
    local key = KEYS[at_key]
    -- A block. Any key that has no ttl (another program may have written it) gets one, so that no refusal is forever.
    local block = found[at_key - 1]
    local blocked = block and max(0, (tonumber(block) or 0) - now) or 0
    if blocked > 0 and call('PTTL', KEYS[at_key - 1]) == -1 then call('PEXPIRE', KEYS[at_key - 1], per / 1000) end
    -- guard: gcra-request-sees-those-before-it-lua
    local at, debt = match(written[key] or found[at_key] or '', '^meter (%d+) (%d[%d.e+]*)$')
    local time = now
    if at then
      -- If the clock was set back, the time of the state is used until the clock has caught up.
      -- guard: only-gcra-stands-still-while-the-clock-is-back-lua
      time = max(now, tonumber(at))
      debt = max(0, debt - (time - at) * limit)
    else
      debt = 0
    end
    local allowed = debt + room <= capacity
    -- guard: blocked-subject-is-not-charged-by-gcra-lua
    if cost > 0 and (forced or (allowed and blocked <= 0)) then
      debt = debt + cost * per
      -- guard: gcra-numbers-are-kept-with-all-digits-lua
      local state = format(debt < ${MAX_EXACT} and 'meter %d %d' or 'meter %d %.17g', time, debt)
      call('SET', key, state, 'PX', min(ceil((ceil(debt / limit) + time - now) / 1000), ${MAX_MS}))
      written[key] = state
    elseif not allowed and call('PTTL', key) == -1 then
      call('PEXPIRE', key, per / 1000)
    end
    if debt >= ${MAX_EXACT} then debt = format('%.17g', debt) end
    if not allowed or blocked > 0 then debt = {min(ceil(blocked / 1000), ${MAX_MS}), allowed and 1 or 0, debt} end
    reply[#reply + 1] = debt
  end
  key_index = last + 1
until key_index > #KEYS
return reply
`,
  encode: (requests, now) => {
    const keys: string[] = [];
    const values: (string | number)[] = [];
    let first: RateRequest | undefined;
    let runLength = 0;
    for (const request of requests) {
      const rule = request.rules[0]!;
      keys.push(request.subject, rule.key);
      if (first !== undefined && isSameRun(first, request)) {
        runLength += 1;
        continue;
      }
      if (first !== undefined) values.push(chargeOf(first), runLength);
      first = request;
      runLength = 1;
      values.push(rule.limit, windowOf(rule), rule.burst);
    }
    const charge = chargeOf(first!);
    if (now !== '') values.push(charge, runLength, now);
    else if (charge !== 1) values.push(charge);
    return { keys, values };
  },
  decode: (reply, requests) => (reply as readonly GcraReply[]).map((one, i) => readReply(one, requests[i]!)),
});

type Debt = number | Buffer;
type GcraReply = Debt | readonly [blockedMs: number, hasRoom: 0 | 1, debt: Debt];

function readReply(reply: GcraReply, { rules, cost }: RateRequest): RateReply {
  const isDebt = typeof reply === 'number' || Buffer.isBuffer(reply);
  const [blockedMs, hasRoom, debt] = isDebt ? [0, 1, reply] : reply;
  const rule = rules[0]!;
  const state = { updatedAt: 0, debt: Number(debt) };
  return { blockedMs, rules: [{ allowed: hasRoom === 1, ...gcra.status(rule, state, 0, cost) }] };
}

function chargeOf({ cost, force }: RateRequest): number {
  return force ? -cost : cost;
}

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
