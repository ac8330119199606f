-- Keeps a refresh token beside the record, whose own refresh token then counts as presented.
-- Only the holder of the lease may, under the grant that it got: the generation does not move, so
-- nothing else tells a late duplicate from the first, and it would bring a spare back that has been
-- presented since. (A late duplicate of the acquire may have taken the lease anew.)
-- ARGV  5 attempt  6 expected generation  7 sealed spare  8 its expiry in us
--       9 backoff in ms  10 kind of failure  11 fence of the grant
-- Returns {superseded 0 or 1, generation}
local attempt, expected = ARGV[5], tonumber(ARGV[6])

local stored = stored_generation()
if redis.call('HGET', RECORD, 'spare_attempt') == attempt then
  return {0, digits(stored)}
end
local lease = redis.call('HMGET', LEASE, 'attempt', 'fence')
if stored > expected or lease[1] ~= attempt or lease[2] ~= ARGV[11] then
  end_lease(attempt)
  return {1, digits(stored)}
end

redis.call('HSETNX', RECORD, 'presented', attempt)
redis.call('HDEL', RECORD, 'spare_presented')
redis.call('HSET', RECORD, 'spare', ARGV[7], 'spare_attempt', attempt, 'spare_server', here)
keep_until(tonumber(ARGV[8]))
back_off(attempt, tonumber(ARGV[9]), ARGV[10], 0, '')
end_lease(attempt)
tell(0)
return {0, digits(stored)}
