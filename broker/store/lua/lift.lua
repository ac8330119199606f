-- Ends a latch soon: the credentials were written anew, so the next attempt is a probe. Who read the
-- sealed word beside it says so (vouch.py), and seals another; whoever comes second changes nothing.
-- ARGV  5 the sealed word that was read  6 shortest backoff in ms: so much lies between two attempts
--       all the same  7 the sealed word from now on
-- Returns 1 when the latch was lifted.
if redis.call('HGET', BACKOFF, 'sealed') ~= ARGV[5] then
  return 0
end
redis.call('HSET', BACKOFF, 'until', digits(now + ARGV[6] * 1000), 'sealed', ARGV[7])
tell(0)
return 1
