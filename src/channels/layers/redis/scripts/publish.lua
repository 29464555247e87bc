-- Append an entry to a log and announce it: one step, so that log and announcements never disagree.
--
-- KEYS[1]  the log: a stream whose ids are <epoch>-<offset>
-- ARGV     1 the entry's id, drawn by the sender     2 what it holds
--          3 entries that the log keeps              4 milliseconds that it is kept
--          5 channel to announce on                  6 PUBLISH or SPUBLISH
--          7 '1': make the log where there is none; '0': only where somebody listens
--          8 empty; in a second attempt: server time (ms) from before the first one
--
-- Answers {epoch, offset, server time in ms}; offset 0 where nobody listens and nothing was kept.
-- Error UNKNOWN: a second attempt, and the log no longer tells whether the first one arrived.

local log, id, since = KEYS[1], ARGV[1], ARGV[8]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

-- The position of the entry that a first attempt may have written.
local function written()
  local from, oldest = '+', nil
  while true do
    local page = redis.call('XREVRANGE', log, from, '-', 'COUNT', 100)
    if #page == 0 then
      break
    end
    for _, entry in ipairs(page) do
      if entry[2][2] == id then
        return entry[1]
      end
      if tonumber(entry[2][4]) < tonumber(since) then
        return nil
      end
      oldest = entry[1]
    end
    from = '(' .. oldest
  end
  if oldest and tonumber(string.match(oldest, '%-(%d+)$')) > 1 then
    return false
  end
  return nil
end

local epoch, offset
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if newest then
  if since ~= '' then
    local position = written()
    if position == false then
      return redis.error_reply('UNKNOWN the log no longer tells whether the entry is in it')
    elseif position then
      epoch, offset = string.match(position, '^(%d+)%-(%d+)$')
      return {tonumber(epoch), tonumber(offset), now}
    end
  end
  epoch, offset = string.match(newest[1], '^(%d+)%-(%d+)$')
else
  if ARGV[7] == '0' then
    local numsub = ARGV[6] == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'
    if redis.call('PUBSUB', numsub, ARGV[5])[2] == 0 then
      return {0, 0, now}
    end
  end
  epoch, offset = string.format('%.0f', micros), 0
end

offset = string.format('%.0f', offset + 1)
redis.call(
  'XADD', log, 'MAXLEN', '~', ARGV[3], epoch .. '-' .. offset,
  'i', id, 't', string.format('%.0f', now), 'd', ARGV[2]
)
if ARGV[7] == '1' or not newest then
  redis.call('PEXPIRE', log, ARGV[4])
end
redis.call(ARGV[6], ARGV[5], epoch .. '-' .. offset .. '-' .. id .. ' ' .. ARGV[2])
return {tonumber(epoch), tonumber(offset), now}
