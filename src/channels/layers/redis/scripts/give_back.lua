-- Give messages of a general channel back, acknowledged or not: the next reader takes them first.
--
-- KEYS[1]  the log
-- ARGV     1 channel to announce on      2 PUBLISH or SPUBLISH
--          3 '1' in a second attempt: only what is still in a hand, because what is in none may
--            have been given back, taken and handed over meanwhile
--          4... positions
--
-- Answers how many were given back.

local log = KEYS[1]
local given = 0
if redis.call('EXISTS', log) == 1 then
  for i = 4, #ARGV do
    local command = {'XCLAIM', log, 'readers', 'returned', 0, ARGV[i], 'JUSTID'}
    if ARGV[3] ~= '1' then
      command[#command + 1] = 'FORCE'
    end
    given = given + #redis.call(unpack(command))
  end
  redis.call(ARGV[2], ARGV[1], '')
end
return given
