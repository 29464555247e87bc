-- Put a message into a general channel and announce it.
--
-- The channel is a log like a group's, with a group of readers ('readers'): what was delivered to a
-- reader and not acknowledged is in that reader's hand. Acknowledged entries stay for a while, so
-- that a second attempt to push finds the first one.
--
-- KEYS[1]  the log
-- ARGV     1 the entry's id       2 what it holds       3 capacity       4 milliseconds it is kept
--          5 channel to announce on       6 PUBLISH or SPUBLISH
--          7 empty; in a second attempt: server time (ms) from before the first one
--
-- Answers {position, server time in ms}; the position is empty where the channel is full.

local log, id, capacity, since = KEYS[1], ARGV[1], tonumber(ARGV[3]), ARGV[7]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local function offset_of(position)
  return tonumber(string.match(position, '%-(%d+)$'))
end

local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local epoch, offset = string.format('%.0f', micros), 0
if newest then
  epoch, offset = string.match(newest[1], '^(%d+)%-(%d+)$')
  offset = tonumber(offset)
  if since ~= '' then
    for _, entry in ipairs(redis.call('XREVRANGE', log, '+', '-')) do
      if entry[2][2] == id then
        return {entry[1], now}
      end
      if tonumber(entry[2][4]) < tonumber(since) then
        break
      end
    end
  end

  -- What holds its place: what no reader has taken, and what is in hand.
  local delivered = 0
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', log)) do
    delivered = offset_of(group[8])
  end
  local pending = redis.call('XPENDING', log, 'readers')
  while offset - delivered + pending[1] >= capacity do
    local from = '(' .. epoch .. '-' .. string.format('%.0f', delivered)
    local oldest = redis.call('XRANGE', log, from, '+', 'COUNT', 1)[1]
    if not oldest or tonumber(oldest[2][4]) + tonumber(ARGV[4]) > now then
      return {'', now}
    end
    redis.call('XGROUP', 'SETID', log, 'readers', oldest[1])
    delivered = offset_of(oldest[1])
  end
  local needed = pending[1] > 0 and math.min(offset_of(pending[2]), delivered) or delivered
  if needed > capacity then
    local first = epoch .. '-' .. string.format('%.0f', needed - capacity)
    redis.call('XTRIM', log, 'MINID', '~', first)
  end
end

local position = epoch .. '-' .. string.format('%.0f', offset + 1)
redis.call('XADD', log, position, 'i', id, 't', string.format('%.0f', now), 'd', ARGV[2])
if not newest then
  redis.call('XGROUP', 'CREATE', log, 'readers', '0')
end
redis.call('PEXPIRE', log, ARGV[4])
redis.call(ARGV[6], ARGV[5], '')
return {position, now}
