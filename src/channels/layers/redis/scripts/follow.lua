-- Tell a follower of a log where its end is, and what came since the follower's position. Makes the
-- log where there is none, and keeps it for another while.
--
-- KEYS[1]  the log
-- ARGV     1 epoch of the follower's position; '' for none, '0' for before everything
--          2 its offset        3 milliseconds that the log is kept        4 most entries
--
-- Answers {epoch, offset, id of the newest entry, server time in ms, entries}. The entries begin
-- with the follower's own, so that it can see whether that is still the one that it knows. Where the
-- log is in another epoch they begin with the first of that.

local log = KEYS[1]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if not newest then
  local epoch = string.format('%.0f', micros)
  redis.call('XADD', log, epoch .. '-0', 'i', '', 't', string.format('%.0f', now), 'd', '')
  redis.call('PEXPIRE', log, ARGV[3])
  return {micros, 0, '', now, {}}
end

redis.call('PEXPIRE', log, ARGV[3])
local epoch, offset = string.match(newest[1], '^(%d+)%-(%d+)$')
local entries = {}
if ARGV[1] ~= '' then
  local from = epoch .. '-' .. (ARGV[1] == epoch and ARGV[2] or '0')
  entries = redis.call('XRANGE', log, from, '+', 'COUNT', ARGV[4])
end
return {tonumber(epoch), tonumber(offset), newest[2][2], now, entries}
