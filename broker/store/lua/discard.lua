-- Removes a record that does not open, or whose generation is not that of its content: only who has
-- the organization's keys can tell.
-- ARGV  5 generation  6 when it was written, in us, as the snapshot told both
-- Returns the snapshot of what is left.
local found = redis.call('HMGET', RECORD, 'generation', 'written')
if found[1] == ARGV[5] and (found[2] or found[1]) == ARGV[6] then
  redis.call('DEL', RECORD)
end
return snapshot('', '')
