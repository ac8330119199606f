-- Replaces the record, unless a generation above the expected one stands; ends the lease.
-- ARGV  2 attempt  3 expected generation  4 least generation  5 sealed record
--       6 until when it is kept in us  7 backoff in ms, 0 for none  8 kind of failure
--       9 this clock's present time in us as the writer reckons it; may be empty
-- Returns {superseded 0 or 1, generation}
local attempt, expected, least = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local delay_ms = tonumber(ARGV[7])

local stored = stored_generation()
if redis.call('HGET', RECORD, 'attempt') == attempt then
  return {0, digits(stored)}
end
if stored > expected then
  end_lease(attempt)
  return {1, digits(stored)}
end

local generation = math.max(stored + 1, least, now)
redis.call('DEL', RECORD)
redis.call('HSET', RECORD, 'generation', digits(generation), 'attempt', attempt,
  'server', name_for(ARGV[9]), 'written', digits(now), 'sealed', ARGV[5])
keep_until(tonumber(ARGV[6]))
if delay_ms > 0 then
  back_off(attempt, delay_ms, ARGV[8], 0)
else
  redis.call('DEL', BACKOFF)
end
end_lease(attempt)
return {0, digits(generation)}
