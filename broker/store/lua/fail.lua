-- Leaves a backoff and ends the lease. A failure that comes after a later success, or while
-- another attempt holds the lease, changes nothing but its own mark.
-- ARGV  5 attempt  6 expected generation  7 backoff in ms  8 kind of failure  9 latched 0 or 1
--       10 clear the mark 0 or 1  11 the sealed word beside it, or empty
local attempt, expected = ARGV[5], tonumber(ARGV[6])

if redis.call('HGET', BACKOFF, 'attempt') == attempt then
  return 0
end
if ARGV[10] == '1' then
  for _, mark in ipairs({'presented', 'spare_presented'}) do
    if redis.call('HGET', RECORD, mark) == attempt then
      redis.call('HDEL', RECORD, mark)
    end
  end
end
local holder = redis.call('HGET', LEASE, 'attempt')
if stored_generation() <= expected and (not holder or holder == attempt) then
  back_off(attempt, tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[11])
end
end_lease(attempt)
tell(0)
return 1
