/** The Lua twin of `src/core/limits/algorithms/gcra.ts`: GCRA, and the token bucket. */
export const GCRA = `
-- A unit is a debt of \`per\` credits, and each us pays \`limit\` of them back. State: 'meter', time in us, debt.
local function gcra()
  local function write(rule, debt)
    rule.debt = debt
    store(rule, ceil(debt / rule.limit), 'meter ' .. text_of_time(rule.now) .. ' ' .. text(debt))
  end

  return {
    load = function(rule, now, found)
      local at, debt = match(found, '^meter (%d+) (%d[%d.e+]*)$')
      if at then
        -- If the clock was set back, the time of the state is used until the clock has caught up.
        -- guard: gcra-stands-still-while-the-clock-is-back-lua
        local clamped = max(now, tonumber(at))
        rule.now, rule.debt = clamped, max(0, debt - (clamped - at) * rule.limit)
      else
        rule.now, rule.debt = now, 0
      end
    end,
    has_room = function(rule, units)
      return rule.debt + units * rule.per <= rule.capacity
    end,
    consume = function(rule, cost)
      write(rule, rule.debt + cost * rule.per)
    end,
    refund = function(rule, cost)
      write(rule, max(0, rule.debt - cost * rule.per))
    end,
    status = function(rule, units)
      local debt, per, limit, capacity = rule.debt, rule.per, rule.limit, rule.capacity
      local excess = debt + units * per - capacity
      return ceil(debt / per), max(0, floor((capacity - debt) / per)),
        excess <= 0 and 0 or ceil(excess / limit), ceil(debt / limit)
    end,
  }
end
`;
