-- Puts a record back that this server lost, or that it holds under another server's name.
-- Nobody knows which marks were lost with it: its refresh token counts as presented, and one lease
-- time passes; no second one where the record counts as another server's.
-- On a server without a name every record counts as another's: it is written once, not at each
-- look, for each writing holds up the next refresh by a lease.
-- ARGV  5 generation  6 sealed record  7 until when it is kept in us
--       8 this clock's present time in us as the writer reckons it; may be empty
-- Returns 1 when the record was written.
local generation, stored = tonumber(ARGV[5]), stored_generation()

local function is_at_home()
  local record = redis.call('HMGET', RECORD, 'server', 'written', 'generation')
  return here == '' or is_record_here(unpack(record))
end

if stored > generation or (stored == generation and is_at_home()) then
  return 0
end
redis.call('DEL', RECORD)
redis.call('HSET', RECORD, 'generation', ARGV[5], 'attempt', 'republished',
  'server', name_for(ARGV[8]), 'written', digits(now), 'sealed', ARGV[6], 'presented', 'republished',
  'seen', here)
keep_until(tonumber(ARGV[7]))
wait_out_lost_lease()
tell(generation)
return 1
