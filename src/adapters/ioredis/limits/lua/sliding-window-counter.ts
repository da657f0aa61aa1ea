/** `src/core/rate-sliding-window-counter.ts` in Lua. */
export const SLIDING_COUNTER = `
-- State: start, current, previous.
local function sliding_counter()
  -- In credits, of which a unit is worth \`per\`.
  local function weight(rule)
    return rule.previous * rule.rest + rule.current * rule.per
  end

  local function left(rule)
    if rule.current > 0 then return rule.rest + rule.per end
    return rule.previous > 0 and rule.rest or 0
  end

  local function write(rule, current, previous)
    rule.current, rule.previous = current, previous
    local counts = text(current) .. ' ' .. text(previous)
    keep(rule, left(rule), 'counter ' .. text_of_time(rule.start) .. ' ' .. counts)
  end

  return {
    look = function(rule, now, found)
      rule.now, rule.start, rule.current, rule.previous = now, now, 0, 0
      local start, current, previous = match(found, '^counter (%d+) (%d+) (%d+)$')
      if start and now < start + rule.per then
        rule.start, rule.current, rule.previous = tonumber(start), tonumber(current), tonumber(previous)
        rule.now = max(now, rule.start)
      elseif start and now < start + 2 * rule.per and current ~= '0' then
        rule.start, rule.previous = start + rule.per, tonumber(current)
      end
      rule.rest = rule.start + rule.per - rule.now
    end,
    fits = function(rule, ask)
      return weight(rule) + ask * rule.per <= rule.limit * rule.per
    end,
    take = function(rule, cost)
      write(rule, rule.current + cost, rule.previous)
    end,
    give = function(rule, cost)
      local newer = min(rule.current, cost)
      write(rule, rule.current - newer, rule.previous - min(rule.previous, cost - newer))
    end,
    read = function(rule, wish)
      local per, heavy, room = rule.per, weight(rule), rule.limit * rule.per
      local excess, retry = heavy + wish * per - room, 0
      if excess > 0 then
        local over = rule.current + wish - rule.limit
        -- Not in this window: in the next one this one fades.
        retry = over <= 0 and ceil(excess / rule.previous) or rule.rest + ceil(per * over / rule.current)
      end
      return ceil(heavy / per), max(0, floor((room - heavy) / per)), retry, left(rule)
    end,
  }
end
`;
