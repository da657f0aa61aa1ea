/** The Lua twin of `src/core/limits/algorithms/concurrency.ts`. */
export const CONCURRENCY = `
-- State: a sorted set of owners, scored by the end of their slot in us.
local function concurrency()
  local function last_end(rule)
    return score_at(rule, -1) - rule.now
  end

  return {
    load = function(rule, now, _, token)
      rule.size = size_of(rule)
      rule.now, rule.used, rule.others = now, count_after(rule, now), 0
      if rule.used > 0 then
        local own_end = call('ZSCORE', rule.key, token)
        rule.others = own_end and tonumber(own_end) > now and rule.used - 1 or rule.used
      end
    end,
    has_room = function(rule)
      return rule.others + 1 <= rule.limit
    end,
    consume = function(rule, _, token)
      remove_until(rule, rule.now)
      add(rule, text(rule.now + rule.per), token)
      rule.used = rule.others + 1
      rule.size = rule.used
      expire_set(rule, last_end(rule))
    end,
    refund = function(rule, _, token)
      remove_until(rule, rule.now)
      if rule.used > 0 then call('ZREM', rule.key, token) end
    end,
    status = function(rule)
      local excess, retry = rule.used + 1 - rule.limit, 0
      if excess > 0 then retry = score_at(rule, rule.size - rule.used + excess - 1) - rule.now end
      return rule.used, max(0, rule.limit - rule.used), retry, rule.used == 0 and 0 or last_end(rule)
    end,
  }
end
`;
