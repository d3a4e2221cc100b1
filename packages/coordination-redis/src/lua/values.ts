/** ARGV 5... keys. Returns `ok` and for each the stored text, or an empty one. */
export const getEntries = `
return answer('ok', unpack(redis.call('HMGET', entries, unpack(ARGV, 5))))
`

/**
 * ARGV 5 prefix, 6 bound of the answer in bytes. Returns `ok` with key and stored text of each,
 * sorted; `too-large`.
 */
export const listEntries = `
local prefix, budget = ARGV[5], tonumber(ARGV[6])
local first, last = '-', '+'
if prefix ~= '' then
  first = '[' .. prefix
  last = '(' .. prefix .. '\\255'
end
local keys = redis.call('ZRANGEBYLEX', index, first, last)
local found = answer('ok')
-- In portions, because unpack puts all on Lua's stack.
for start = 1, #keys, 500 do
  local portion = { unpack(keys, start, math.min(start + 499, #keys)) }
  for position, stored in ipairs(redis.call('HMGET', entries, unpack(portion))) do
    found[#found + 1] = portion[position]
    found[#found + 1] = stored or ''
    budget = budget - #portion[position] - #found[#found]
    if budget < 0 then return answer('too-large') end
  end
end
return found
`

/**
 * ARGV 5 key, 6 expected version, 7 `1` to put or `0` to delete, 8 value, 9 `1` if there is a
 * holder, and then 10 its key, 11 epoch, 12 session id. Returns `ok` with version; `fenced` with
 * the present epoch; `exists` with epoch; `conflict` with the present version.
 */
export const compareAndSet = `
local key = ARGV[5]
if ARGV[9] == '1' and not holds(ARGV[10], ARGV[11], ARGV[12]) then
  local current = read(ARGV[10])
  return answer('fenced', current and current.epoch or '0')
end
local present = read(key)
if present and present.owner ~= '-' then return answer('exists', present.epoch) end
local version = present and present.version or '0'
if version ~= ARGV[6] then return answer('conflict', version) end
if ARGV[7] == '1' then return answer('ok', put(key, ARGV[8], '0', '-')) end
if present then remove(key) end
return answer('ok', '0')
`

/** Where the change feed stands, and an occasion to end expired sessions. Returns `ok`. */
export const position = `
return answer('ok')
`
