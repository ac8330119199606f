-- Ends a latch soon: the credentials were written anew, so the next attempt is a probe. The count
-- of refusals stays, so a probe that is refused goes on with the schedule where it was.
-- Each writing counts once. Hosts see one writing at different moments: another host's is taken for
-- the last one for a while. After the early refusals one writing counts in each longest step.
-- ARGV  5 writing: host, slash, version  6 number of early refusals  7 longest step in ms
--       8 while in ms for which another host's writing is the last one
--       9 shortest backoff in ms: so much lies between two attempts all the same
-- Returns 1 when the latch was lifted.
local writing = ARGV[5]
local soon_us = tonumber(ARGV[9]) * 1000
local latch = redis.call('HMGET', BACKOFF, 'latched', 'refusals', 'writing', 'acted')

local function host(name)
  return string.match(name or '', '^[^/]*')
end

if latch[1] ~= '1' or latch[3] == writing or backoff_remaining() <= soon_us then
  return 0
end
local least_ms = 0
if tonumber(latch[2] or '0') >= tonumber(ARGV[6]) then
  least_ms = tonumber(ARGV[7])
elseif host(latch[3]) ~= host(writing) then
  least_ms = tonumber(ARGV[8])
end
-- An instant ahead of now was told before the clock was set back.
local since = now - tonumber(latch[4] or '0')
if since >= 0 and since < least_ms * 1000 then
  return 0
end
redis.call('HSET', BACKOFF, 'until', digits(now + soon_us), 'writing', writing, 'acted', digits(now))
return 1
