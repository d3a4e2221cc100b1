/**
 * ARGV 5 key, 6 value, 7 ttlMs, 8 session id, 9 `1` to end a live session of another.
 * Returns `ok` with version, epoch; `exists` with epoch of what is there.
 */
export const openSession = `
local key, value, ttl, id = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local present = read(key)
if present then
  local session = redis.call('HGET', sessions, present.owner)
  local own = session and string.match(session, '^%d+ (.*)$')
  if ARGV[9] ~= '1' or own ~= key then return answer('exists', present.epoch) end
  finish(present.owner)
end
local epoch = text(redis.call('HINCRBY', counters, 'epoch', 1))
redis.call('HSET', sessions, id, ttl .. ' ' .. key)
redis.call('ZADD', deadlines, text(now + tonumber(ttl)), id)
redis.call('ZADD', owned, 0, id .. ' ' .. key)
local version = put(key, value, epoch, id)
return answer('ok', version, epoch)
`

/**
 * ARGV 5 key, 6 epoch, 7 session id, 8 ttlMs, then key and epoch of each lease. Returns `ok` with
 * the version of the session's entry; `fenced` or `expired` when it is gone. A session that lost a
 * lease (the server was rolled back) is ended: its owner believes in what is not there.
 */
export const renewSession = `
local key, epoch, id = ARGV[5], ARGV[6], ARGV[7]
if not holds(key, epoch, id) then return answer(lost(key)) end
for position = 9, #ARGV, 2 do
  if not holds(ARGV[position], ARGV[position + 1], id) then
    finish(id)
    return answer('expired')
  end
end
redis.call('ZADD', deadlines, text(now + tonumber(ARGV[8])), id)
return answer('ok', read(key).version)
`

/** ARGV 5 session id. Returns `ok`, also when it had ended before. */
export const closeSession = `
finish(ARGV[5])
return answer('ok')
`

/**
 * Of a session or lease. ARGV 5 key, 6 epoch, 7 session id, 8 value. Returns `ok` with version;
 * `fenced` or `expired`.
 */
export const updateHolding = `
local key, epoch, id = ARGV[5], ARGV[6], ARGV[7]
if not holds(key, epoch, id) then return answer(lost(key)) end
return answer('ok', put(key, ARGV[8], epoch, id))
`

/**
 * ARGV 5 key, 6 value, 7 the session's key, 8 its epoch, 9 its id. Returns `ok` with epoch (the
 * same as before when the session holds it already); `fenced` when the session is stale; `exists`
 * with epoch.
 */
export const acquireLease = `
local key, value, id = ARGV[5], ARGV[6], ARGV[9]
if not holds(ARGV[7], ARGV[8], id) then return answer('fenced') end
local present = read(key)
if present and (present.owner ~= id or key == ARGV[7]) then
  return answer('exists', present.epoch)
end
local epoch = present and present.epoch or text(redis.call('HINCRBY', counters, 'epoch', 1))
redis.call('ZADD', owned, 0, id .. ' ' .. key)
put(key, value, epoch, id)
return answer('ok', epoch)
`

/** ARGV 5 key, 6 epoch, 7 session id. Returns `ok`, also when it was not held. */
export const releaseLease = `
local key, id = ARGV[5], ARGV[7]
if holds(key, ARGV[6], id) then
  redis.call('ZREM', owned, id .. ' ' .. key)
  remove(key)
end
return answer('ok')
`
