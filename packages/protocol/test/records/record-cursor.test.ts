import { RecordCursor } from '../../src/records/record-cursor.js'
import { varintSize, writeVarint, writeVarlong } from '../../src/records/varint.js'
import { random } from './golden.js'

/** Numbers on both sides of what takes one, two or three bytes. */
const edges = [0, 1, 62, 63, 64, 65, 8190, 8191, 8192, 8193, 20_000]

interface Sample {
  timestampDelta: number
  offsetDelta: number
  keyLength: number
  valueLength: number
  headers: readonly { key: number; value: number }[]
}

function encode(records: readonly Sample[]): Uint8Array {
  const parts = records.map((record) => {
    const body = new Uint8Array(64 + size(record))
    let at = writeVarlong(body, 1, record.timestampDelta)
    at = writeVarint(body, at, record.offsetDelta)
    const field = (length: number) => {
      at = writeVarint(body, at, length)
      if (length > 0) at += length
    }
    field(record.keyLength)
    field(record.valueLength)
    at = writeVarint(body, at, record.headers.length)
    for (const { key, value } of record.headers) {
      field(key)
      field(value)
    }
    const whole = new Uint8Array(varintSize(at) + at)
    whole.set(body.subarray(0, at), writeVarint(whole, 0, at))
    return whole
  })
  return new Uint8Array(Buffer.concat(parts))
}

function size({ keyLength, valueLength, headers }: Sample): number {
  return headers.reduce((sum, { key, value }) => sum + key + value + 20, keyLength + valueLength)
}

function fieldsOf(cursor: RecordCursor) {
  const { recordAt, timestampDelta, offsetDeltaAt, offsetDelta, position, atEnd } = cursor
  const { keyAt, keyLength, valueAt, valueLength, headersAt, headerCount } = cursor
  const places = { keyAt, keyLength, valueAt, valueLength, headersAt, headerCount }
  return { recordAt, timestampDelta, offsetDeltaAt, offsetDelta, position, atEnd, ...places }
}

/** What each step gives, up to an error or the end. */
function stepsOf(bytes: Uint8Array, step: (cursor: RecordCursor) => void): unknown[] {
  const cursor = new RecordCursor(bytes, 0, bytes.length)
  const steps: unknown[] = []
  try {
    while (!cursor.atEnd) {
      step(cursor)
      steps.push(fieldsOf(cursor))
    }
  } catch (error) {
    steps.push((error as Error).message)
  }
  return steps
}

/** The careful way, which looks at every byte before it reads it, is the measure of the quick one. */
function expectSameSteps(bytes: Uint8Array): unknown[] {
  const careful = stepsOf(bytes, (cursor) => cursor['nextOfAnyKind']())
  expect(stepsOf(bytes, (cursor) => cursor.next())).toEqual(careful)
  return careful
}

describe('RecordCursor', () => {
  const plain = { timestampDelta: 0, offsetDelta: 0, keyLength: -1, valueLength: 10, headers: [] }

  test.each(['timestampDelta', 'offsetDelta', 'keyLength', 'valueLength'] as const)(
    'reads every size of %s, at the end of the payload and before it',
    (field) => {
      for (const value of [...edges, -1]) {
        const record = { ...plain, [field]: value }
        for (const records of [[record], [record, plain, plain]]) {
          const steps = expectSameSteps(encode(records))
          expect(steps).toHaveLength(records.length)
          expect(steps[0]).toMatchObject({ [field]: value, headerCount: 0 })
        }
      }
    },
  )

  test('reads what the careful way reads, of whatever mixture', () => {
    const next = random(11)
    const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!
    for (let round = 0; round < 300; round++) {
      const records = Array.from({ length: 1 + Math.floor(next() * 6) }, () => ({
        timestampDelta: next() < 0.2 ? pick([-1, -64, -65, 2 ** 33]) : pick(edges),
        offsetDelta: pick(edges),
        keyLength: next() < 0.5 ? -1 : pick(edges.slice(0, 6)),
        valueLength: next() < 0.2 ? -1 : pick(edges),
        headers: next() < 0.8 ? [] : [{ key: 3, value: pick([-1, 0, 70]) }],
      }))
      expect(expectSameSteps(encode(records))).toHaveLength(records.length)
    }
  })

  test('refuses what the careful way refuses, with the same words', () => {
    const next = random(12)
    const refused = new Set<unknown>()
    const headers = [{ key: 1, value: 0 }]
    const records = [plain, { ...plain, keyLength: 5 }, { ...plain, headers }, plain]
    const good = encode(records)
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from(good)
      for (let change = next() * 3; change > 0; change--) {
        const at = Math.floor(next() ** 2 * bytes.length)
        bytes[at] = next() < 0.5 ? next() * 256 : bytes[at]! + (next() < 0.5 ? 1 : -1)
      }
      const last = expectSameSteps(next() < 0.2 ? bytes.slice(0, next() * bytes.length) : bytes)
      if (typeof last.at(-1) === 'string')
        refused.add((last.at(-1) as string).replace(/-?\d+/, 'n'))
    }
    expect(refused.size).toBeGreaterThan(5)
  })
})
