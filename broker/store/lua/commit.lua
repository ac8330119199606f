-- Replaces the record, unless a generation above the expected one stands; ends the lease.
-- ARGV  5 attempt  6 expected generation  7 least generation  8 sealed record
--       9 until when it is kept in us  10 backoff in ms, 0 for none  11 kind of failure
--       12 this clock's present time in us as the writer reckons it; may be empty
-- Returns {superseded 0 or 1, generation}
local attempt, expected, least = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local delay_ms = tonumber(ARGV[10])

local stored = stored_generation()
-- The attempt lies open: whoever puts it beside another record has not committed this one.
local is_mine = stored >= least and stored <= math.max(least, now) + GENERATION_RANGE_US
if is_mine and redis.call('HGET', RECORD, 'attempt') == attempt then
  return {0, digits(stored)}
end
if stored > expected then
  end_lease(attempt)
  return {1, digits(stored)}
end

local generation = math.max(stored + 1, least, now)
redis.call('DEL', RECORD)
redis.call('HSET', RECORD, 'generation', digits(generation), 'attempt', attempt,
  'server', name_for(ARGV[12]), 'written', digits(now), 'sealed', ARGV[8])
keep_until(tonumber(ARGV[9]))
if delay_ms > 0 then
  back_off(attempt, delay_ms, ARGV[11], 0, '')
else
  redis.call('DEL', BACKOFF)
end
end_lease(attempt)
tell(generation)
return {0, digits(generation)}
