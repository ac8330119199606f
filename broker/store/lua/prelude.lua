-- Stands before every script. All keys share one hash tag; mend.lua says what lies under them.
-- KEYS  1 record  2 lease  3 backoff  4 report
-- ARGV  1 name of this server, for one that does not let scripts call INFO; else empty
--       2 lease in ms  3 longest backoff in ms  4 shortest time between two reports in ms
local RECORD, LEASE, BACKOFF, REPORT = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local LEASE_MS, BACKOFF_MS, REPORT_MS = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local BACKOFF_MEMORY_MS = 600000 -- as in broker/limits.py
local RECORD_MS = 604800000 -- a week: Canvas's refresh tokens live for a day
local CLOCK_TOLERANCE_US = 3000000 -- as in broker/policy/server_clock.py
local GENERATION_RANGE_US = 86400000000 -- as in broker/store/damage.py
local OTHER_CLOCK = 'clock stepped' -- no server's name

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function digits(number)
  return string.format('%.0f', number)
end

-- A name that changes with every restart and every failover: what was written under another name
-- may have lost its last writes, and was timed by another clock. Empty where it can't be known.
local function name_of_server()
  local names = {}
  for _, ask in ipairs({{'server', 'run_id:(%x+)'}, {'replication', 'master_replid:(%x+)'}}) do
    local info = redis.pcall('INFO', ask[1])
    local name = type(info) == 'string' and string.match(info, ask[2])
    if not name then
      return ARGV[1]
    end
    names[#names + 1] = name
  end
  return table.concat(names, '-')
end

local here = name_of_server()

local function is_here(name)
  return here ~= '' and name == here
end

-- This server's clock was set back if what it wrote was written at an instant yet to come.
local function is_yet_to_come(written)
  return written and tonumber(written) > now
end

-- A record of an earlier version has no instant of its own: its generation is nearly that.
local function is_record_here(name, written, generation)
  return is_here(name) and not is_yet_to_come(written or generation)
end

-- The name that a record is written under. Its times were told by the clock that showed `reckoned`
-- by now: where that is not this one any more, they count as another server's.
local function name_for(reckoned)
  local error_us = reckoned == '' and 0 or math.abs(now - tonumber(reckoned))
  return error_us > CLOCK_TOLERANCE_US and OTHER_CLOCK or here
end

local function stored_generation()
  return tonumber(redis.call('HGET', RECORD, 'generation') or '0')
end

local function backoff_remaining()
  local found = redis.call('HMGET', BACKOFF, 'until', 'server', 'written')
  if not found[1] or found[2] ~= here or is_yet_to_come(found[3]) then
    return 0
  end
  -- No pause is longer than the settings allow, whatever is written there.
  return math.max(0, math.min(found[1], found[3] + BACKOFF_MS * 1000) - now)
end

-- {words, sealed, spare, sealed backoff}; words, with a space between: now in us, name of this server, generation,
-- when the record was written in us, foreign, presented, refused, backoff remaining in us, failures,
-- latched, lease remaining in ms, failure.
-- One reply to read in place of ten: most looks bring nothing else. A spare that somebody has
-- presented is left out, unless it was the given attempt.
local function snapshot(known, attempt)
  local record = redis.call('HMGET', RECORD, 'generation', 'server', 'presented', 'refused',
    'sealed', 'spare', 'spare_presented', 'spare_server', 'written')
  local backoff = redis.call('HMGET', BACKOFF, 'failures', 'failure', 'latched', 'sealed')
  local foreign = record[1] and not is_record_here(record[2], record[9], record[1])
  local spare = record[6] and (not record[7] or record[7] == attempt) and is_here(record[8])
  local unchanged = record[1] == known
  local words = {
    digits(now), here, record[1] or '0', record[9] or record[1] or '0', foreign and 1 or 0,
    record[3] and 1 or 0, record[4] and 1 or 0,
    digits(backoff_remaining()), backoff[1] or '0', backoff[3] or '0',
    math.max(0, redis.call('PTTL', LEASE)), backoff[2] or '',
  }
  return {
    table.concat(words, ' '), not unchanged and record[5] or '', spare and record[6] or '',
    backoff[4] or '',
  }
end

-- Begins the time of the lease that is there, by this server's clock.
local function time_lease()
  redis.call('HSET', LEASE, 'server', here, 'written', digits(now))
  redis.call('PEXPIRE', LEASE, LEASE_MS)
end

-- A server that lost its last writes may have lost a lease with them, and its holder may be talking
-- to Canvas: one lease time passes before anybody else does. Whoever got a lease here meanwhile
-- goes on without it, for its commit needs none, and must not end this one.
local function wait_out_lost_lease()
  redis.call('HSET', LEASE, 'attempt', 'lost', 'slot', 'none')
  time_lease()
end

local function end_lease(attempt)
  if redis.call('HGET', LEASE, 'attempt') == attempt then
    redis.call('DEL', LEASE)
  end
end

-- Refusals of the keys are counted by who leaves it, in what is sealed.
local function back_off(attempt, delay_ms, failure, latched, sealed)
  redis.call('HINCRBY', BACKOFF, 'failures', 1)
  redis.call('HSET', BACKOFF, 'attempt', attempt, 'until', digits(now + delay_ms * 1000),
    'written', digits(now), 'failure', failure, 'latched', latched, 'server', here,
    'sealed', sealed)
  redis.call('PEXPIRE', BACKOFF, digits(delay_ms + BACKOFF_MEMORY_MS))
end

-- A record lives as long as the last of its tokens, a week at most; a spare never shortens that.
local function keep_until(expires_us)
  local ms = math.max(1000, math.min((expires_us - now) / 1000, RECORD_MS))
  if redis.call('PTTL', RECORD) < ms then
    redis.call('PEXPIRE', RECORD, digits(ms))
  end
end

-- Tells the fleet that something of this organization changed: the generation of a new record, or 0.
-- Nobody relies on hearing it, so who may not publish goes on (broker/store/feed.py).
local function tell(generation)
  local prefix, organization, version = string.match(KEYS[1], '^(.*):{(.*)}:(%x+):record$')
  redis.pcall('PUBLISH', prefix .. ':changes',
    organization .. ' ' .. version .. ' ' .. digits(generation))
end
