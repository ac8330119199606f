-- Notes that Canvas refused a generation: once for each, and once in an interval for all.
-- ARGV  2 generation  3 least age in us  4 interval in ms
-- Returns accepted, known, moved, young or throttled.
local generation = tonumber(ARGV[2])

if stored_generation() ~= generation then
  return 'moved'
end
if redis.call('HGET', RECORD, 'refused') then
  return 'known'
end
local age = now - generation
if age >= 0 and age < tonumber(ARGV[3]) then -- below zero the clock was set back: nobody knows it
  return 'young'
end
if redis.call('PTTL', REPORT) > tonumber(ARGV[4]) then -- the clock was set back
  redis.call('DEL', REPORT)
end
if not redis.call('SET', REPORT, ARGV[2], 'NX', 'PX', ARGV[4]) then
  return 'throttled'
end
redis.call('HSET', RECORD, 'refused', 1)
return 'accepted'
