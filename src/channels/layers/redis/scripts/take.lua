-- Take messages of a general channel into a reader's hand, where they stay until acknowledged.
--
-- KEYS[1]  the log
-- ARGV     1 the reader      2 most messages      3 milliseconds that a message may wait
--          4 milliseconds after which what is in a hand is free to be taken, or '' not to look
--          5 '1' to have what is in the reader's own hand, too
--
-- Answers {messages that had expired, {{position, what it holds}, ...}}, oldest first.

local log, me, most = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('EXISTS', log) == 0 then
  return {0, {}}
end
local time = redis.call('TIME')
local oldest = math.floor((time[1] * 1000000 + time[2]) / 1000) - ARGV[3]
local taken, expired = {}, 0

local function take(entries)
  for _, entry in ipairs(entries) do
    if not entry[2] then
      redis.call('XACK', log, 'readers', entry[1])
    elseif tonumber(entry[2][4]) <= oldest then
      redis.call('XACK', log, 'readers', entry[1])
      expired = expired + 1
    else
      taken[#taken + 1] = {entry[1], entry[2][6]}
    end
  end
end

local function read(from)
  local answer = redis.call(
    'XREADGROUP', 'GROUP', 'readers', me, 'COUNT', most - #taken, 'STREAMS', log, from
  )
  return answer and answer[1][2] or {}
end

-- Out of other hands: given back, or left behind by a reader that is gone.
local function claim(pending, idle)
  for _, each in ipairs(pending) do
    if each[2] ~= me and #taken < most then
      take(redis.call('XCLAIM', log, 'readers', me, idle, each[1]))
    end
  end
end

if ARGV[5] == '1' then
  take(read('0'))
end
if #taken < most and redis.call('XPENDING', log, 'readers')[1] > 0 then
  claim(redis.call('XPENDING', log, 'readers', '-', '+', most, 'returned'), 0)
  if ARGV[4] ~= '' then
    claim(redis.call('XPENDING', log, 'readers', 'IDLE', ARGV[4], '-', '+', 100), ARGV[4])
  end
end
while #taken < most do
  local entries = read('>')
  if #entries == 0 then
    break
  end
  take(entries)
end
return {expired, taken}
