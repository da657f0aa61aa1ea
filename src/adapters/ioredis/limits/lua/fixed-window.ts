/** The Lua twin of `src/core/limits/algorithms/fixed-window.ts`. */
export const FIXED_WINDOW = `
-- State: 'window', start in us, count.
local function fixed_window()
  local function remaining_us(rule)
    return rule.count == 0 and 0 or rule.start + rule.per - rule.now
  end

  local function write(rule, count)
    rule.count = count
    store(rule, remaining_us(rule), 'window ' .. text_of_time(rule.start) .. ' ' .. text(count))
  end

  return {
    load = function(rule, now, found)
      local start, count = match(found, '^window (%d+) (%d+)$')
      if start and now < start + rule.per then
        rule.start, rule.count = tonumber(start), tonumber(count)
        rule.now = max(now, rule.start)
      else
        rule.now, rule.start, rule.count = now, now, 0
      end
    end,
    has_room = function(rule, units)
      return rule.count + units <= rule.limit
    end,
    consume = function(rule, cost)
      write(rule, rule.count + cost)
    end,
    refund = function(rule, cost)
      write(rule, max(0, rule.count - cost))
    end,
    status = function(rule, units)
      local count, limit = rule.count, rule.limit
      local retry = count + units <= limit and 0 or rule.start + rule.per - rule.now
      return count, max(0, limit - count), retry, remaining_us(rule)
    end,
  }
end
`;
