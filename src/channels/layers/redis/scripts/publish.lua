-- Append an entry to a log and announce it: one step, so that log and announcements never disagree.
--
-- KEYS[1]  the log: a stream whose ids are <epoch>-<offset>
-- ARGV     1 the entry's id, drawn by the sender     2 what it holds
--          3 entries that the log keeps              4 milliseconds that it is kept
--          5 channel to announce on                  6 PUBLISH or SPUBLISH
--          7 '1': make the log where there is none; '0': only where somebody listens
--          8 the epoch that the sender expects, or '': a right one saves half of the work
--          9 empty; in a second attempt: server time (ms) from before the first one
--
-- Answers {position, server time in ms}; the position is empty where nobody listens and nothing was
-- kept. Error UNKNOWN: a second attempt, and the log no longer tells whether the first one arrived.

local log, id, data, since = KEYS[1], ARGV[1], ARGV[2], ARGV[9]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function announce(position)
  if ARGV[7] == '1' then
    redis.call('PEXPIRE', log, ARGV[4])
  end
  redis.call(ARGV[6], ARGV[5], position .. '-' .. id .. ' ' .. data)
  return {position, now}
end

if ARGV[8] ~= '' and since == '' then
  local position = redis.pcall(
    'XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[3], ARGV[8] .. '-*', 'i', id, 't', now, 'd', data
  )
  -- An error: servers before 7.0, or the log is in a later epoch. Nothing: there is no log.
  if type(position) == 'string' then
    if string.sub(position, -2) ~= '-0' then
      return announce(position)
    end
    -- The log was in an earlier epoch: the server is one to which the later one had not come yet.
    -- It begins here again, with this entry as its mark, which nobody delivers.
    position = ARGV[8] .. '-1'
    redis.call('XADD', log, position, 'i', id, 't', now, 'd', data)
    return announce(position)
  end
end

-- The position of the entry that a first attempt may have written, or whether that is unknown.
local function written()
  local from, oldest = '+', nil
  while true do
    local page = redis.call('XREVRANGE', log, from, '-', 'COUNT', 100)
    if #page == 0 then
      break
    end
    for _, entry in ipairs(page) do
      if entry[2][2] == id then
        return entry[1], false
      end
      if tonumber(entry[2][4]) < tonumber(since) then
        return nil, false
      end
      oldest = entry[1]
    end
    from = '(' .. oldest
  end
  return nil, oldest and tonumber(string.match(oldest, '%-(%d+)$')) > 1
end

local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position
if newest then
  if since ~= '' then
    local before, unknown = written()
    if unknown then
      return redis.error_reply('UNKNOWN the log no longer tells whether the entry is in it')
    elseif before then
      return {before, now}
    end
  end
  local epoch, offset = string.match(newest[1], '^(%d+)%-(%d+)$')
  position = epoch .. '-' .. string.format('%.0f', offset + 1)
else
  if ARGV[7] == '0' then
    local numsub = ARGV[6] == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB'
    if redis.call('PUBSUB', numsub, ARGV[5])[2] == 0 then
      return {'', now}
    end
  end
  position = string.format('%.0f-1', time[1] * 1000000 + time[2])
end
redis.call('XADD', log, 'MAXLEN', '~', ARGV[3], position, 'i', id, 't', now, 'd', data)
if not newest then
  redis.call('PEXPIRE', log, ARGV[4])
end
return announce(position)
