-- Writes what no other script reads, by every command that others write with: it fails where Redis
-- refuses any of them.
-- SET comes first: it takes what lies there of any type, and a server that is full refuses only a
-- script's first write.
-- KEYS  1 a key of its own, which lives for a minute
local LIFE_MS = 60000
redis.call('SET', KEYS[1], '1', 'PX', LIFE_MS)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'at', digits(now))
redis.call('HSETNX', KEYS[1], 'at', '')
redis.call('HINCRBY', KEYS[1], 'tries', 1)
redis.call('HDEL', KEYS[1], 'tries')
redis.call('PEXPIRE', KEYS[1], LIFE_MS)
return 1
