/** `src/core/rate-sliding-window-log.ts` in Lua. */
export const SLIDING_LOG = `
-- Members '<serial>:<token>' by the time at which they were taken. Serials keep those of one us in order.
local function sliding_log()
  local PAGE = 500

  return {
    look = function(rule, now)
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
    fits = function(rule, ask)
      return rule.used + ask <= rule.limit
    end,
    take = function(rule, cost, token)
      drop_until(rule, rule.now - rule.per)
      -- What is forced may be more than the limit, and then the newest alone say when there is room again.
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
      keep_set(rule, rule.per)
    end,
    give = function(rule, cost, token)
      drop_until(rule, rule.now - rule.per)
      local left, passed = min(cost, rule.used), 0
      while left > 0 and passed < rule.used do
        local page = call('ZRANGE', rule.key, -min(passed + PAGE, rule.used), -passed - 1)
        local own = {}
        for i = #page, 1, -1 do
          if #own < left and string.sub(page[i], 12) == token then own[#own + 1] = page[i] end
        end
        if #own > 0 then call('ZREM', rule.key, unpack(own)) end
        left, rule.used, passed = left - #own, rule.used - #own, passed + #page - #own
      end
      if left > 0 then call('ZREMRANGEBYRANK', rule.key, -left, -1) end
    end,
    read = function(rule, wish)
      local excess, retry = rule.used + wish - rule.limit, 0
      if excess > 0 then retry = score_at(rule, rule.size - rule.used + excess - 1) + rule.per - rule.now end
      local reset = rule.used == 0 and 0 or rule.newest + rule.per - rule.now
      return rule.used, max(0, rule.limit - rule.used), retry, reset
    end,
  }
end
`;
