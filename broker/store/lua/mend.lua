-- Removes what no broker writes; stands before every script with the four keys. Whoever can write to
-- Redis can put anything there, so all that the script relies on afterwards is checked here, and
-- nothing is fetched before its size is known.
-- Returns words with commas between: the key, a colon, and what was wrong: type, size, value or ttl.
local TEXT, SEALED, INSTANT = {1024}, {65536}, {16, '^%d+$'}
local COUNT, FLAG, WORD = {9, '^%d+$'}, {1, '^[01]$'}, {64, '^[%l%d_]+$'}
local TOO_HIGH = 2 ^ 53 -- from here on a number of Lua is not exact
local FIELDS = {
  record = {
    'generation', INSTANT, 'written', INSTANT, 'sealed', SEALED, 'spare', SEALED, 'attempt', TEXT,
    'server', TEXT, 'presented', TEXT, 'refused', FLAG, 'spare_attempt', TEXT,
    'spare_server', TEXT, 'spare_presented', TEXT, 'seen', TEXT,
  },
  lease = {
    'attempt', TEXT, 'slot', WORD, 'server', TEXT, 'fence', INSTANT, 'written', INSTANT,
  },
  backoff = {
    'until', INSTANT, 'written', INSTANT, 'failures', COUNT, 'failure', WORD, 'latched', FLAG,
    'attempt', TEXT, 'server', TEXT, 'sealed', SEALED,
  },
  report = {'written', INSTANT},
}

local function is_whole(name, found)
  if name == 'record' then
    local first = found.generation and string.sub(found.generation, 1, 1)
    return (found.sealed or found.spare) and first ~= '0' and not first == not found.sealed
  elseif name == 'report' then
    return found.written
  end
  local backs_off = found['until'] and found.written and tonumber(found.failures or '0') > 0
  return found.attempt and (name == 'lease' or backs_off)
end

local function defect_of(key, name)
  local found, asked, forms = {}, {}, {}
  for at = 1, #FIELDS[name], 2 do
    local field, form = FIELDS[name][at], FIELDS[name][at + 1]
    local size = redis.call('HSTRLEN', key, field)
    if size > form[1] then
      return 'size'
    elseif form[2] then
      asked[#asked + 1], forms[#forms + 1] = field, form
    end
    found[field] = size > 0
  end
  for at, value in ipairs(redis.call('HMGET', key, unpack(asked))) do
    if value and not string.match(value, forms[at][2])
        or value and forms[at] == INSTANT and tonumber(value) >= TOO_HIGH then
      return 'value'
    end
    found[asked[at]] = value
  end
  return not is_whole(name, found) and 'value'
end

local function mend()
  local damage = {}
  local function note(name, defect)
    damage[#damage + 1] = name .. ':' .. defect
  end

  local longest = {
    record = RECORD_MS, lease = LEASE_MS, backoff = BACKOFF_MS + BACKOFF_MEMORY_MS,
    report = REPORT_MS,
  }
  for at, name in ipairs({'record', 'lease', 'backoff', 'report'}) do
    local key, left = KEYS[at], redis.call('PTTL', KEYS[at])
    local kind = left == -2 and 'none' or redis.call('TYPE', key).ok
    local defect = kind ~= 'none' and kind ~= 'hash' and 'type'
    if kind == 'hash' and not defect then
      defect = defect_of(key, name)
    end
    if defect then
      redis.call('DEL', key)
      note(name, defect)
      if name == 'lease' then
        wait_out_lost_lease() -- its holder may be talking to Canvas
      end
    elseif left == -1 or left > longest[name] then
      -- Where the clock was set back since, a life, an instant to Redis, has grown by as much.
      if left == -1 or not is_yet_to_come(redis.call('HGET', key, 'written')) then
        note(name, 'ttl')
      end
      if name == 'report' then
        redis.call('DEL', key)
      else
        redis.call('PEXPIRE', key, longest[name])
      end
    end
  end
  return table.concat(damage, ',')
end
