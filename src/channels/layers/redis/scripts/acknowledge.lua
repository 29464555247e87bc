-- Take messages of a general channel out of a reader's hand for good: they are being handed over.
--
-- KEYS[1]  the log
-- ARGV     1 the reader      2 '1' in a second attempt      3... positions
--
-- Answers {ARGV[2], {for each position 1 if it was in the reader's hand, else 0}}: 0 for one that was
-- acknowledged before, perhaps by a first attempt, or is another's since.

local log, me = KEYS[1], ARGV[1]
local answer = {}
local exists = redis.call('EXISTS', log) == 1
for i = 3, #ARGV do
  local mine = exists and #redis.call('XPENDING', log, 'readers', ARGV[i], ARGV[i], 1, me) > 0
  if mine then
    redis.call('XACK', log, 'readers', ARGV[i])
  end
  answer[#answer + 1] = mine and 1 or 0
end
return {tonumber(ARGV[2]), answer}
