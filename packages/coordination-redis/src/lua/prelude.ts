/**
 * Begins every script. State of a cluster, all under one hash tag:
 *
 * | KEYS | type | holds |
 * |---|---|---|
 * | 1 counters | hash | `instance` (random, new whenever the state began empty), `version`, `epoch` |
 * | 2 entries | hash | key -> `<version> <epoch> <session id>\n<value>`; epoch 0 and id `-` for plain values |
 * | 3 index | sorted set, all scores 0 | keys, for listing by prefix |
 * | 4 sessions | hash | session id -> `<ttlMs> <key>` |
 * | 5 deadlines | sorted set | session id, scored by the server's milliseconds at which it ends |
 * | 6 owned | sorted set, all scores 0 | `<session id> <key>` of sessions' and leases' entries |
 * | 7 changes | stream, trimmed | id `<version>-1`; `i` instance, `k` key, `t` p (put) or d (deleted) |
 *
 * | ARGV | |
 * |---|---|
 * | 1 | instance to take if there is no state |
 * | 2, 3 | highest version and epoch that the caller has seen: lost state goes on above them |
 * | 4 | length to which the stream is trimmed, about |
 * | 5... | the script's own |
 *
 * Returns an array of strings: status, version, epoch, instance, then the script's own. Nothing is
 * written before a refusal but the ends of expired sessions. Time is the server's. Numbers become
 * text by %.0f, because Lua's own conversion rounds to 14 digits.
 */
export const prelude = `
local counters, entries, index, sessions, deadlines, owned, changes = unpack(KEYS)

local function text(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Keys go missing one by one when the server evicts: then what is left means nothing.
local function broken()
  local alive = redis.call('HLEN', sessions)
  return redis.call('HLEN', entries) ~= redis.call('ZCARD', index)
    or alive ~= redis.call('ZCARD', deadlines)
    or alive > redis.call('ZCARD', owned)
end

local instance = redis.call('HGET', counters, 'instance')
if not instance or broken() then
  redis.call('DEL', entries, index, sessions, deadlines, owned, changes)
  instance = ARGV[1]
  redis.call('HSET', counters, 'instance', instance)
end
for position, counter in ipairs({ 'version', 'epoch' }) do
  local floor = tonumber(ARGV[1 + position])
  if tonumber(redis.call('HGET', counters, counter) or '-1') < floor then
    redis.call('HSET', counters, counter, text(floor))
  end
end

local function report(kind, key, version)
  local id = version .. '-1'
  redis.call('XADD', changes, 'MAXLEN', '~', ARGV[4], id, 'i', instance, 'k', key, 't', kind)
end

local function put(key, value, epoch, owner)
  local version = text(redis.call('HINCRBY', counters, 'version', 1))
  redis.call('HSET', entries, key, version .. ' ' .. epoch .. ' ' .. owner .. '\\n' .. value)
  redis.call('ZADD', index, 0, key)
  report('p', key, version)
  return version
end

local function remove(key)
  redis.call('HDEL', entries, key)
  redis.call('ZREM', index, key)
  report('d', key, text(redis.call('HINCRBY', counters, 'version', 1)))
end

-- The entry at key, or nil. One that cannot be read, or whose session is unknown, is as good as
-- absent for writers.
local function read(key)
  local stored = redis.call('HGET', entries, key)
  if not stored then return nil end
  local version, epoch, owner = string.match(stored, '^(%d+) (%d+) (%S+)\\n')
  if not version then return nil end
  if owner ~= '-' and redis.call('HEXISTS', sessions, owner) == 0 then return nil end
  return { version = version, epoch = epoch, owner = owner }
end

local function finish(id)
  for _, member in ipairs(redis.call('ZRANGEBYLEX', owned, '[' .. id .. ' ', '(' .. id .. '!')) do
    local key = string.sub(member, #id + 2)
    local present = read(key)
    if present and present.owner == id then remove(key) end
    redis.call('ZREM', owned, member)
  end
  redis.call('HDEL', sessions, id)
  redis.call('ZREM', deadlines, id)
end

local function holds(key, epoch, id)
  local present = read(key)
  return present ~= nil and present.owner == id and present.epoch == epoch
end

-- Why an owner is none any more.
local function lost(key)
  local present = read(key)
  return present and present.owner ~= '-' and 'fenced' or 'expired'
end

local function answer(status, ...)
  local now_at = redis.call('HMGET', counters, 'version', 'epoch')
  return { status, now_at[1], now_at[2], instance, ... }
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', text(now))) do
  finish(id)
end
`
