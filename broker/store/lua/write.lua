-- Writes what no other script reads, as others write: it fails where Redis refuses writes.
-- KEYS  1 a key of its own, which lives for a minute
local LIFE_MS = 60000
redis.call('SET', KEYS[1], '1', 'PX', LIFE_MS)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'at', digits(now))
redis.call('PEXPIRE', KEYS[1], LIFE_MS)
return 1
