-- Keeps a refresh token beside the record, whose own refresh token then counts as presented.
-- Only the holder of the lease may, under the grant that it got: the generation does not move, so
-- nothing else tells a late duplicate from the first, and it would bring a spare back that has been
-- presented since. (A late duplicate of the acquire may have taken the lease anew.)
-- ARGV  2 attempt  3 expected generation  4 sealed spare  5 its expiry in us
--       6 backoff in ms  7 kind of failure  8 fence of the grant
-- Returns {superseded 0 or 1, generation}
local attempt, expected = ARGV[2], tonumber(ARGV[3])

local stored = stored_generation()
if redis.call('HGET', RECORD, 'spare_attempt') == attempt then
  return {0, digits(stored)}
end
local lease = redis.call('HMGET', LEASE, 'attempt', 'fence')
if stored > expected or lease[1] ~= attempt or lease[2] ~= ARGV[8] then
  end_lease(attempt)
  return {1, digits(stored)}
end

redis.call('HSETNX', RECORD, 'presented', attempt)
redis.call('HDEL', RECORD, 'spare_presented')
redis.call('HSET', RECORD, 'spare', ARGV[4], 'spare_attempt', attempt, 'spare_server', here)
keep_until(tonumber(ARGV[5]))
back_off(attempt, tonumber(ARGV[6]), ARGV[7], 0)
end_lease(attempt)
return {0, digits(stored)}
