import { HOLDERS, QUEUE } from './lock-prelude.js';

/**
 * Lua: the function `release`, which releases locks and wakes the waiting callers. Needs `CLOCK` before it.
 *
 * KEYS from `first`, for each lock: the lock, its queue, its places. Returns how many locks the owner held; those of other
 * owners are not changed.
 */
export const RELEASE = `
-- What follows is created on demand: for locks that have waiters.
local release_awaited
local function create_release()
${HOLDERS}
${QUEUE}
  release_awaited = function(first, locks, owner, channel)
    local count = 0
    for i = first, first + 3 * locks - 1, 3 do
      local key, queue, places = KEYS[i], KEYS[i + 1], KEYS[i + 2]
      local kind, found = read_lock(key)
      local is_awaited, is_queued
      -- guard: release-by-owner-only-lua
      if kind == 'exclusive' and is_held_by(found, owner) then
        count = count + 1
        call('UNLINK', key)
        is_awaited = string.sub(found, LENGTH - 1, LENGTH - 1) == '+'
        is_queued = string.sub(found, LENGTH, LENGTH) == '#'
      elseif kind == 'shared' and call('ZREM', key, owner) == 1 then
        count = count + 1
        call('ZREMRANGEBYSCORE', key, '(0', now())
        local is_free = holders(key) == 0
        -- The release of one reader lets nobody in while other readers hold the lock.
        if is_free or found ~= '=any' then
          is_awaited = call('ZSCORE', key, '+')
          is_queued = call('ZSCORE', key, '#')
          if is_awaited then call('ZREM', key, '+') end
        end
        if is_free then
          call('UNLINK', key)
        else
          call('PEXPIRE', key, last_end(key) - now())
        end
      end
      if is_awaited then redis.pcall('PUBLISH', channel .. ':' .. key, '') end
      if is_queued then wake_head(channel, key, queue, places) end
    end
    return count
  end
end

local function release(first, locks, owner, channel)
  -- The common case: one exclusive lock without waiters.
  if locks == 1 and redis.pcall('GET', KEYS[first]) == 'L' .. owner .. '--' then return call('UNLINK', KEYS[first]) end
  if not release_awaited then create_release() end
  return release_awaited(first, locks, owner, channel)
end
`;
