/** `src/core/rate-fixed-window.ts` in Lua. */
export const FIXED_WINDOW = `
-- State: start, count.
local function fixed_window()
  local function left(rule)
    return rule.count == 0 and 0 or rule.start + rule.per - rule.now
  end

  local function write(rule, count)
    rule.count = count
    keep(rule, left(rule), 'window ' .. text_of_time(rule.start) .. ' ' .. text(count))
  end

  return {
    look = function(rule, now, found)
      local start, count = match(found, '^window (%d+) (%d+)$')
      if start and now < start + rule.per then
        rule.start, rule.count = tonumber(start), tonumber(count)
        rule.now = max(now, rule.start)
      else
        rule.now, rule.start, rule.count = now, now, 0
      end
    end,
    fits = function(rule, ask)
      return rule.count + ask <= rule.limit
    end,
    take = function(rule, cost)
      write(rule, rule.count + cost)
    end,
    give = function(rule, cost)
      write(rule, max(0, rule.count - cost))
    end,
    read = function(rule, wish)
      local count, limit = rule.count, rule.limit
      local retry = count + wish <= limit and 0 or rule.start + rule.per - rule.now
      return count, max(0, limit - count), retry, left(rule)
    end,
  }
end
`;
