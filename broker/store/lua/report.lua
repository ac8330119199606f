-- Notes that Canvas refused a generation: once for each, and once in an interval for all.
-- ARGV  5 generation  6 least age in us
-- Returns accepted, known, moved, young or throttled.
local generation = tonumber(ARGV[5])

if stored_generation() ~= generation then
  return 'moved'
end
if redis.call('HGET', RECORD, 'refused') then
  return 'known'
end
local age = now - generation
if age >= 0 and age < tonumber(ARGV[6]) then -- below zero the clock was set back: nobody knows it
  return 'young'
end
if redis.call('HSETNX', REPORT, 'written', digits(now)) == 0 then
  return 'throttled'
end
redis.call('PEXPIRE', REPORT, REPORT_MS)
redis.call('HSET', RECORD, 'refused', 1)
tell(0)
return 'accepted'
