-- Leaves a backoff and ends the lease. A failure that comes after a later success, or while
-- another attempt holds the lease, changes nothing but its own mark.
-- ARGV  2 attempt  3 expected generation  4 backoff in ms  5 kind of failure  6 latched 0 or 1
--       7 clear the mark 0 or 1  8 writing of the credentials that Canvas refused, or empty
local attempt, expected = ARGV[2], tonumber(ARGV[3])

if redis.call('HGET', BACKOFF, 'attempt') == attempt then
  return 0
end
if ARGV[7] == '1' then
  for _, mark in ipairs({'presented', 'spare_presented'}) do
    if redis.call('HGET', RECORD, mark) == attempt then
      redis.call('HDEL', RECORD, mark)
    end
  end
end
local holder = redis.call('HGET', LEASE, 'attempt')
if stored_generation() <= expected and (not holder or holder == attempt) then
  back_off(attempt, tonumber(ARGV[4]), ARGV[5], ARGV[6])
  if ARGV[6] == '1' and redis.call('HSETNX', BACKOFF, 'writing', ARGV[8]) == 1 then
    redis.call('HSET', BACKOFF, 'acted', digits(now))
  end
end
end_lease(attempt)
return 1
