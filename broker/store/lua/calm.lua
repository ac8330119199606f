-- Tells of several organizations at once whether a look at them would bring nothing new: the known
-- record lies here, nobody has presented or refused it (so it has no spare), and there is neither
-- lease nor backoff. What is unsound is not calm: the look at it mends it.
-- KEYS  record, lease and backoff of each       ARGV  2.. the generation known of each
-- Returns "now name flags": now in us, the name of this server, and for each 1 for calm, else 0. A
-- server without a name cannot tell: there are no flags.
local NONE = -2

local flags = {}
for number = 2, here ~= '' and #ARGV or 0 do
  local at = 3 * (number - 2)
  local record = redis.pcall('HMGET', KEYS[at + 1], 'generation', 'server', 'presented', 'refused',
    'written')
  local is_timed = not record[5] or string.match(record[5], '^%d+$')
  local calm = is_timed and record[1] == ARGV[number] and is_record_here(record[2], record[5], record[1])
    and not (record[3] or record[4])
    and redis.call('PTTL', KEYS[at + 2]) == NONE and redis.call('PTTL', KEYS[at + 3]) == NONE
  flags[number - 1] = calm and '1' or '0'
end
return digits(now) .. ' ' .. here .. ' ' .. table.concat(flags)
