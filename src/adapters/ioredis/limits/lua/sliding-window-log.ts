/** The Lua twin of `src/core/limits/algorithms/sliding-window-log.ts`. */
export const SLIDING_WINDOW_LOG = `
-- State: a sorted set of members '<serial>:<token>', one for each unit, scored by the time in us at which it was taken.
-- The serial keeps the order of units of the same us.
local function sliding_window_log()
  -- Members in one command: Lua cannot unpack more than a few thousand values.
  local PAGE = 500

  return {
    load = function(rule, now)
      rule.size = size_of(rule)
      rule.now, rule.newest, rule.serial = now, 0, 0
      if rule.size > 0 then
        local newest = call('ZRANGE', rule.key, -1, -1, 'WITHSCORES')
        local serial = match(newest[1], '^(%d+):')
        if serial then
          rule.newest, rule.serial = tonumber(newest[2]), tonumber(serial)
          rule.now = max(now, rule.newest)
        else
          rule.foreign, rule.size = true, 0
        end
      end
      rule.used = count_after(rule, rule.now - rule.per)
    end,
    has_room = function(rule, units)
      return rule.used + units <= rule.limit
    end,
    consume = function(rule, cost, token)
      remove_until(rule, rule.now - rule.per)
      -- A forced cost may exceed the limit. Then only the newest units decide when there is room again, so only they
      -- are kept.
      local units, time = min(cost, rule.limit), text_of_time(rule.now)
      for first = 1, units, PAGE do
        local members = {}
        for i = first, min(units, first + PAGE - 1) do
          members[#members + 1] = time
          -- guard: every-unit-of-a-log-counts-lua
          members[#members + 1] = format('%010.0f:%s', (rule.serial + i) % 1e10, token)
        end
        add(rule, unpack(members))
      end
      rule.serial, rule.used = (rule.serial + units) % 1e10, rule.used + units
      if rule.used > rule.limit then
        call('ZREMRANGEBYRANK', rule.key, 0, rule.used - rule.limit - 1)
        rule.used = rule.limit
      end
      rule.size, rule.newest = rule.used, rule.now
      expire_set(rule, rule.per)
    end,
    refund = function(rule, cost, token)
      remove_until(rule, rule.now - rule.per)
      -- First the newest units of this token, then the newest of any token.
      local units, skipped = min(cost, rule.used), 0
      while units > 0 and skipped < rule.used do
        local page = call('ZRANGE', rule.key, -min(skipped + PAGE, rule.used), -skipped - 1)
        local own = {}
        for i = #page, 1, -1 do
          if #own < units and string.sub(page[i], 12) == token then own[#own + 1] = page[i] end
        end
        if #own > 0 then call('ZREM', rule.key, unpack(own)) end
        units, rule.used, skipped = units - #own, rule.used - #own, skipped + #page - #own
      end
      if units > 0 then call('ZREMRANGEBYRANK', rule.key, -units, -1) end
    end,
    status = function(rule, units)
      local excess, retry = rule.used + units - rule.limit, 0
      if excess > 0 then retry = score_at(rule, rule.size - rule.used + excess - 1) + rule.per - rule.now end
      local reset = rule.used == 0 and 0 or rule.newest + rule.per - rule.now
      return rule.used, max(0, rule.limit - rule.used), retry, reset
    end,
  }
end
`;
