// What is sent: 1,024 values that differ, as those of a real program do, made before the clock starts.

export const valueCount = 1024

/** Half of a value repeats and half is noise, so that a codec halves it, as it does with most events. */
export function makeValues(valueBytes) {
  let state = 0x9e3779b9
  const noise = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 0xff
  }
  return Array.from({ length: valueCount }, (_, index) => {
    const value = Buffer.alloc(valueBytes, `{"page":"/articles/","visitor":${index}}`)
    for (let at = valueBytes >> 1; at < valueBytes; at++) value[at] = noise()
    return value
  })
}

/** Touches every value, as a consumer that does nothing else; throws when bytes are missing. */
export function countBytes(records) {
  let bytes = 0
  for (const { value } of records) bytes += value.length
  return bytes
}
