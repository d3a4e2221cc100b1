import { PLACE_NUMBERS } from './record-places.js'

/** What surrounds key and value of a record of the common kind takes at most so many bytes. */
const AROUND_BYTES = 24

/** No array is so long. */
const impossible = 2 ** 31 - 1

/**
 * Steps over records from `at` on that are of the common kind (lengths of up to three bytes, small
 * timestamps, no headers), whose offset deltas go on from `index`, while there are fewer than
 * `count`. Stops before the first that is not, be it sound or not: that is for a `RecordCursor` to
 * judge, which takes half as long again. Answers how many records there are before `at`, and sets
 * `stopped.position`. Where the records lie is noted in `numbers`, see `RecordPlaces`.
 */
export function skipPlainRecords(
  { bytes, end }: { readonly bytes: Uint8Array; readonly end: number },
  stopped: { position: number },
  [index, count]: readonly [number, number],
  numbers?: Int32Array,
): number {
  let at = stopped.position
  const last = end - AROUND_BYTES
  while (index < count && at < last) {
    let to = at + 1
    let value = bytes[at]!
    if (value >= 0x80) {
      const second = bytes[to++]!
      value = (value & 0x7f) | ((second & 0x7f) << 7)
      if (second >= 0x80) {
        const third = bytes[to++]!
        if (third >= 0x80) break
        value |= third << 14
      }
    }
    const recordEnd = to + (value >>> 1)
    if ((value & 1) !== 0 || recordEnd > end) break
    // The attributes are passed over, and a timestamp of up to 28 bits.
    to++
    if (
      bytes[to++]! >= 0x80 &&
      bytes[to++]! >= 0x80 &&
      bytes[to++]! >= 0x80 &&
      bytes[to++]! >= 0x80
    )
      break
    // What the offset delta is to be is known, so it is compared and not read.
    let rest = 2 * index
    for (; rest >= 0x80 && bytes[to] === ((rest & 0x7f) | 0x80); rest >>>= 7) to++
    if (bytes[to++] !== rest) break
    to = behindField(bytes, to)
    // Nothing is read beyond the payload: the value's length has up to three bytes.
    if (to > end - 3) break
    let length = bytes[to++]!
    if (length >= 0x80) {
      const second = bytes[to++]!
      length = (length & 0x7f) | ((second & 0x7f) << 7)
      if (second >= 0x80) {
        const third = bytes[to++]!
        if (third >= 0x80) break
        length |= third << 14
      }
    }
    length = (length >>> 1) ^ -(length & 1)
    const valueEnd = length > 0 ? to + length : to
    if (length < -1 || valueEnd + 1 !== recordEnd || bytes[valueEnd] !== 0) break
    if (numbers !== undefined) note(numbers, index, at, [to, length])
    at = recordEnd
    index++
  }
  stopped.position = at
  return index
}

function note(
  numbers: Int32Array,
  index: number,
  at: number,
  [valueAt, valueLength]: readonly [number, number],
): void {
  const place = index * PLACE_NUMBERS
  numbers[place] = at
  numbers[place + 1] = index
  numbers[place + 2] = valueAt
  numbers[place + 3] = valueLength
}

/** Where a key ends whose length is at `at`; beyond everything when it is impossible. */
function behindField(bytes: Uint8Array, at: number): number {
  let length = bytes[at++]!
  if (length >= 0x80) {
    const second = bytes[at++]!
    length = (length & 0x7f) | ((second & 0x7f) << 7)
    if (second >= 0x80) {
      const third = bytes[at++]!
      if (third >= 0x80) return impossible
      length |= third << 14
    }
  }
  if ((length & 1) === 0) return at + (length >>> 1)
  return length === 1 ? at : impossible
}
