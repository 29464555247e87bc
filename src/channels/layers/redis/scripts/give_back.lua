-- Give a message of a general channel back, acknowledged or not: the next reader takes it first.
--
-- KEYS[1]  the log
-- ARGV     1 channel to announce on      2 PUBLISH or SPUBLISH
--          3 a word of this gift's own, drawn by the giver: a second attempt with the same word
--            does nothing, whoever has taken the message meanwhile
--          4 the message's position; empty when the word is not needed any more
--
-- A word is kept as a reader with nothing in hand, the only thing of the group that stays.

local log, word, position = KEYS[1], ARGV[3], ARGV[4]
if redis.call('EXISTS', log) == 0 then
  return 0
end
if position == '' then
  return redis.call('XGROUP', 'DELCONSUMER', log, 'readers', word)
end
if redis.call('XGROUP', 'CREATECONSUMER', log, 'readers', word) == 1 then
  redis.call('XCLAIM', log, 'readers', 'returned', 0, position, 'FORCE', 'JUSTID')
  redis.call(ARGV[2], ARGV[1], '')
  return 1
end
return 0
