-- Notes that this server's clock was set: who says so has measured it by a clock that was not. What
-- lies here was timed by the old one and counts as another server's. A lease may have ended too soon
-- while its holder talks to Canvas: one lease time passes before anybody gets one.
local record = redis.call('HMGET', RECORD, 'generation', 'spare')
if record[1] or record[2] then
  redis.call('HSET', RECORD, 'server', OTHER_CLOCK, 'seen', here,
    'written', digits(now))
end
if record[2] then
  redis.call('HSET', RECORD, 'spare_server', OTHER_CLOCK)
end
if redis.call('HGET', BACKOFF, 'attempt') then
  redis.call('HSET', BACKOFF, 'server', OTHER_CLOCK)
end
if redis.call('HGET', LEASE, 'attempt') then
  time_lease()
else
  wait_out_lost_lease()
end
tell(0)
return 1
