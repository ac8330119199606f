-- Takes the lease and burns the wished refresh token in one step.
-- ARGV  5 attempt  6 expected generation  7 wish: own, spare or none
-- Returns {status, slot, fence, snapshot ...}; status granted, held, moved, paused or ended. The
-- fence is the time of the grant.
local attempt, expected, wish = ARGV[5], tonumber(ARGV[6]), ARGV[7]

local function answer(status, slot, fence)
  return {status, slot, fence or '', unpack(snapshot('', attempt))}
end

local lease = redis.call('HMGET', LEASE, 'attempt', 'slot', 'server', 'fence')
local marks = redis.call('HMGET', RECORD, 'attempt', 'spare_attempt', 'presented',
  'spare_presented', 'server', 'spare', 'spare_server', 'seen', 'written', 'generation')
local record_is_foreign = marks[5] and not is_record_here(marks[5], marks[9], marks[10])
if lease[1] == attempt then
  -- The answer to the first try was lost. The mark must still be its own: the record may be new.
  local mine = {own = marks[3] == attempt, spare = marks[4] == attempt}
  return answer('granted', mine[lease[2]] and lease[2] or 'none', lease[4])
end
if marks[1] == attempt or marks[2] == attempt or marks[3] == attempt or marks[4] == attempt
    or redis.call('HGET', BACKOFF, 'attempt') == attempt then
  return answer('ended', 'none')
end

if lease[1] then
  if lease[3] ~= here then
    -- Its TTL was counted by another server's clock: count it anew, so that it ends in time.
    time_lease()
  end
  return answer('held', 'none')
end
local foreign = record_is_foreign or marks[6] and not is_here(marks[7])
if foreign and here ~= '' and marks[8] ~= here then
  redis.call('HSET', RECORD, 'seen', here)
  wait_out_lost_lease()
  return answer('held', 'none')
end
if stored_generation() ~= expected then
  return answer('moved', 'none')
end
if backoff_remaining() > 0 then
  return answer('paused', 'none')
end

-- A mark set on another server may be lost: what lies here under its name counts as presented.
if record_is_foreign and not marks[3] then
  redis.call('HSET', RECORD, 'presented', 'foreign')
  marks[3] = 'foreign'
end
if marks[6] and not is_here(marks[7]) and not marks[4] then
  redis.call('HSET', RECORD, 'spare_presented', 'foreign')
  marks[4] = 'foreign'
end

local slot = 'none'
if wish == 'spare' and marks[6] and not marks[4] then
  slot = 'spare'
  redis.call('HSET', RECORD, 'spare_presented', attempt)
elseif wish == 'own' and marks[5] and not marks[3] then
  slot = 'own'
  redis.call('HSET', RECORD, 'presented', attempt)
end
redis.call('HSET', LEASE, 'attempt', attempt, 'slot', slot, 'fence', digits(now))
time_lease()
return answer('granted', slot, digits(now))
