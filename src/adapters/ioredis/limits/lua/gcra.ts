/** `src/core/rate-meter.ts` in Lua: GCRA, and the token bucket. */
export const METER = `
-- A unit is a debt of \`per\` credits, and each us pays \`limit\` of them back. State: at, debt.
local function meter()
  local function write(rule, owed)
    rule.owed = owed
    keep(rule, ceil(owed / rule.limit), 'meter ' .. text_of_time(rule.now) .. ' ' .. text(owed))
  end

  return {
    look = function(rule, now, found)
      local at, owed = match(found, '^meter (%d+) (%d[%d.e+]*)$')
      if at then
        -- guard: gcra-stands-still-while-the-clock-is-back-lua
        local clamped = max(now, tonumber(at))
        rule.now, rule.owed = clamped, max(0, owed - (clamped - at) * rule.limit)
      else
        rule.now, rule.owed = now, 0
      end
    end,
    fits = function(rule, ask)
      return rule.owed + ask * rule.per <= rule.room
    end,
    take = function(rule, cost)
      write(rule, rule.owed + cost * rule.per)
    end,
    give = function(rule, cost)
      write(rule, max(0, rule.owed - cost * rule.per))
    end,
    read = function(rule, wish)
      local owed, per, limit, room = rule.owed, rule.per, rule.limit, rule.room
      local excess = owed + wish * per - room
      return ceil(owed / per), max(0, floor((room - owed) / per)),
        excess <= 0 and 0 or ceil(excess / limit), ceil(owed / limit)
    end,
  }
end
`;
