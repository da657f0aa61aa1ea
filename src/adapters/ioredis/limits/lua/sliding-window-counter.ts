/** The Lua twin of `src/core/limits/algorithms/sliding-window-counter.ts`. */
export const SLIDING_WINDOW_COUNTER = `
-- State: 'counter', start of the current window in us, its count, the count of the previous window.
local function sliding_window_counter()
  -- In credits: a unit is \`per\` credits.
  local function weight(rule)
    return rule.previous * rule.rest + rule.current * rule.per
  end

  local function remaining_us(rule)
    if rule.current > 0 then return rule.rest + rule.per end
    return rule.previous > 0 and rule.rest or 0
  end

  local function write(rule, current, previous)
    rule.current, rule.previous = current, previous
    local counts = text(current) .. ' ' .. text(previous)
    store(rule, remaining_us(rule), 'counter ' .. text_of_time(rule.start) .. ' ' .. counts)
  end

  return {
    load = function(rule, now, found)
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
    has_room = function(rule, units)
      return weight(rule) + units * rule.per <= rule.limit * rule.per
    end,
    consume = function(rule, cost)
      write(rule, rule.current + cost, rule.previous)
    end,
    refund = function(rule, cost)
      local newer = min(rule.current, cost)
      write(rule, rule.current - newer, rule.previous - min(rule.previous, cost - newer))
    end,
    status = function(rule, units)
      local per, used, capacity = rule.per, weight(rule), rule.limit * rule.per
      local excess, retry = used + units * per - capacity, 0
      if excess > 0 then
        local over = rule.current + units - rule.limit
        -- If the current window alone is too full, there is room only in the next one, in which its weight decreases.
        retry = over <= 0 and ceil(excess / rule.previous) or rule.rest + ceil(per * over / rule.current)
      end
      return ceil(used / per), max(0, floor((capacity - used) / per)), retry, remaining_us(rule)
    end,
  }
end
`;
