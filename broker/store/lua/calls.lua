-- Shares out the calls of Canvas that the whole fleet may have in flight and begin in a second (ADR
-- 50). memory_calls.py does the same, step by step.
-- KEYS  1 a key of no organization
-- ARGV  2 worker  3 number of its question  4 calls that it holds  5 calls that it wants more
--       6 calls left to others, or -1 for a caller  7 calls made since it asked last  8 of them refused
--       9 of them without a permit of their own
--       10 most calls in flight  11 most calls a second  12 life in ms of what a worker told
-- Returns {granted, us until the first may begin, us between two, us until asking again is worth it,
-- calls in flight that are this worker's part}
local START, LEAST, ODD, MANY = 50000, 1000, 10, 1000000000 -- the first two: calls in 1,000 s
local SLOWEST, FASTEST, QUIET_S, DEEPEST = 0.025, 0.7, 40, 0.4
local AHEAD_US, WANTED_US, CUT_US, DEBT_US = 300000, 1000000, 500000, 5000000
local TURN_US, LEAST_TURN_US = 5000, 50000 -- of each worker; of all
local LONGEST, KEPT_MS = 65536, 600000

local KEY, worker = KEYS[1], ARGV[2]
local number, holds, wants, spare, made, refused, extra, most =
  tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]),
  tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local most_rate, life_us = ARGV[11] * 1000, ARGV[12] * 1000

local function read()
  local kind = redis.call('TYPE', KEY).ok
  if kind == 'hash' and redis.call('HSTRLEN', KEY, 'state') <= LONGEST then
    return redis.call('HGET', KEY, 'state') or ''
  elseif kind ~= 'none' then
    redis.call('DEL', KEY)
  end
  return ''
end

local state = read()
local rate, cut, grown, tat, calls, lost, rest =
  string.match(state, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+);(.*)$')
if rate and now - grown < KEPT_MS * 1000 then
  rate = math.max(LEAST, math.min(rate, most_rate))
  cut, grown = math.min(cut, now), math.min(grown, now)
  tat = math.min(tat, now + DEBT_US)
  calls, lost = math.min(calls, MANY), math.min(lost, MANY)
else
  rate, cut, grown, tat, calls, lost, rest = START, now - QUIET_S * 1000000, now, 0, 0, 0, ''
end

local others, before = {}, nil
for name, asked, held, wanted, at in string.gmatch(rest, '([^ ;]+) (%d+) (%d+) (%d+) (%d+);') do
  local one = {name = name, number = tonumber(asked), held = math.min(held, most),
    wanted = math.min(wanted, most), at = math.min(at, now)}
  if now - one.at >= life_us then
    one = nil
  elseif name == worker then
    before = one
  else
    others[#others + 1] = one
  end
end
local late = before and before.number > number
local again = before and before.number == number

-- The rate: it grows with the time in which nothing was refused, and is cut by the part that was.
local speed = math.max(SLOWEST, math.min((now - cut) / 1000000 / QUIET_S, FASTEST))
rate = math.min(rate * math.exp(math.min(speed * (now - grown) / 1000000, 20)), most_rate)
grown = now
if not (late or again) then
  calls, lost = calls + made, lost + refused
  tat = math.max(tat, now) + extra * 1000000000 / rate
  if refused > 0 and now - cut >= CUT_US then
    -- Canvas took the others: of calls that were begun before the last cut more may be refused yet.
    local accepted = (calls - lost) * 1000000000 / (now - cut)
    rate = math.max(rate * math.max(DEEPEST, 1 - lost / math.max(calls, ODD)), math.min(accepted, rate))
    cut, calls, lost = now, 0, 0
  end
end
rate = math.min(math.max(math.floor(rate), LEAST), most_rate)
local interval = 1000000000 / rate

-- Calls in flight: whoever wants any has its part, and what the others leave.
local wanting, asking = 1, 1
for _, one in ipairs(others) do
  if now - one.at >= WANTED_US then
    one.wanted = 0
  end
  wanting = wanting + (one.held + one.wanted > 0 and 1 or 0)
  asking = asking + (one.wanted > 0 and 1 or 0)
end
local fair = math.floor((most - math.max(0, spare)) / wanting)
local kept = spare < 0 and 0 or fair -- who asks for a caller goes before the parts of others
local taken = 0
for _, one in ipairs(others) do
  taken = taken + math.max(one.held, math.min(one.held + one.wanted, kept))
end

local granted, first = 0, math.max(tat, now)
if again then
  granted, first = math.max(0, before.held - holds), now
elseif not late then
  local slots = math.max(0, math.floor((now + AHEAD_US - first) / interval) + 1)
  local part = math.max(1, math.ceil(AHEAD_US / interval / asking))
  granted = math.max(0, math.min(wants, most - math.max(0, spare) - taken - holds, slots, part))
  tat = first + granted * interval
end

local told = {}
if late or again then
  others[#others + 1] = before
elseif holds + wants > 0 then
  others[#others + 1] = {name = worker, number = number, held = holds + granted,
    wanted = wants - granted, at = now}
end
for _, one in ipairs(others) do
  told[#told + 1] = string.format('%s %.0f %.0f %.0f %.0f;', one.name, one.number, one.held,
    one.wanted, one.at)
end
redis.call('HSET', KEY, 'state', string.format('%.0f %.0f %.0f %.0f %.0f %.0f;%s', rate, cut, grown,
  math.floor(tat), calls, lost, table.concat(told)))
redis.call('PEXPIRE', KEY, KEPT_MS)
local wait = granted > 0 and 0 or math.max(0, math.min(tat - AHEAD_US - now, DEBT_US))
return {granted, math.floor(first - now), math.floor(interval),
  math.floor(math.max(wait, asking * TURN_US, LEAST_TURN_US)), math.max(1, fair)}
