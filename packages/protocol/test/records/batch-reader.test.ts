import {
  batches,
  compressionCodecs,
  decodeRecords,
  encodeRecordBatch,
  openBatch,
  PLACE_NUMBERS,
  PlacedRecord,
  readBatchHeader,
  recordBatchFormat,
  RecordPlaces,
  validateBatch,
  type CompressionType,
  type RecordInput,
} from '@kfk/protocol'
import { BatchCursor, payloadOf } from '../../src/records/batch-reader.js'
import { writeBatchHeader } from '../../src/records/batch-stamps.js'
import { codeOf } from '../protocol-code.js'
import { golden, random } from './golden.js'

const types: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** A batch with a right checksum around any payload. */
function batchAround(payload: Uint8Array, fields: Partial<Parameters<typeof writeBatchHeader>[1]>) {
  const batch = new Uint8Array(61 + payload.length)
  batch.set(payload, 61)
  writeBatchHeader(batch, {
    baseOffset: 0,
    leaderEpoch: 0,
    attributes: 0,
    lastOffsetDelta: 0,
    baseTimestamp: 0,
    maxTimestamp: 0,
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    recordCount: 1,
    ...fields,
  })
  return batch
}

const sample: RecordInput[] = Array.from({ length: 20 }, (_, index) => ({
  key: index % 3 === 0 ? null : `key-${index}`,
  value: index % 7 === 6 ? null : `value ${index} `.repeat(index),
  timestamp: 1_700_000_000_000 + index * 37,
  headers: index % 4 === 0 ? [{ key: 'h', value: Uint8Array.of(index) }] : [],
}))

describe('batches that Kafka wrote', () => {
  test.each(types)('%s: decode to what its producer sent', (type) => {
    const segment = golden(`kafka-${type}`)
    const found = [...batches(segment)]
    expect(found).toHaveLength(1)
    const { header, bytes } = found[0]!
    expect(header).toMatchObject({ baseOffset: 0, compression: type, partitionLeaderEpoch: 0 })
    expect(header).toMatchObject({ producerEpoch: 0, baseSequence: 0, timestampType: 'CreateTime' })
    validateBatch(bytes, { verifyRecords: 'all' })
    expect(recordBatchFormat.check(segment, 0)).toBeUndefined()
    const records = decodeRecords(bytes)
    expect(records).toHaveLength(type === 'none' ? 6 : 7)
    for (const [index, record] of records.slice(0, 6).entries()) {
      const odd = index % 2
      expect(record.offset).toBe(index)
      expect(record.timestamp).toBe(1_700_000_000_000 + index * 1000 - 2500 * odd)
      expect(record.key && Buffer.from(record.key).toString()).toBe(
        index === 2 ? null : `key-${index % 3}`,
      )
      const value = `{"event":"view","path":"/product/${index}","note":"naïve 日本"}`
      expect(record.value && Buffer.from(record.value).toString()).toBe(index === 4 ? null : value)
      expect(
        record.headers.map(({ key, value }) => [key, value && Buffer.from(value).toString()]),
      ).toEqual(
        odd
          ? [
              ['trace', `${index}`],
              ['lang', 'é'],
              ['none', null],
            ]
          : [],
      )
    }
    if (type === 'none') return
    const big = Buffer.from(records[6]!.value!).toString()
    expect(big).toBe(
      Array.from({ length: 8000 }, (_, i) => `${`${i % 97}`.padStart(6, '0')} kfk;`).join(''),
    )
  })

  test('none: our encoder writes the same bytes, header, varints, checksum and all', () => {
    const segment = golden('kafka-none')
    const header = readBatchHeader(segment)
    const records = decodeRecords(segment)
    const ours = encodeRecordBatch(records, {
      producerId: header.producerId,
      producerEpoch: 0,
      baseSequence: 0,
      leaderEpoch: 0,
    })
    expect(Buffer.from(ours).equals(segment)).toBe(true)
  })
})

describe('decodeRecords', () => {
  test.each(types)('%s: gives back what was encoded', (compression) => {
    const batch = encodeRecordBatch(sample, { compression, baseOffset: 2 ** 40 })
    validateBatch(batch, { verifyRecords: 'all' })
    const records = decodeRecords(batch)
    const text = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString()
    expect(
      records.map((record) => ({
        key: text(record.key),
        value: text(record.value),
        timestamp: record.timestamp,
        headers: record.headers.map(({ key, value }) => ({
          key,
          value: value && Uint8Array.from(value),
        })),
      })),
    ).toEqual(sample.map(({ key, ...rest }) => ({ key, ...rest })))
    expect(records.map((record) => record.offset)).toEqual(
      sample.map((_, index) => 2 ** 40 + index),
    )
  })

  test('shares the memory of an uncompressed batch', () => {
    const batch = encodeRecordBatch([{ value: 'x', timestamp: 0 }])
    const { value } = decodeRecords(batch)[0]!
    expect(value?.buffer).toBe(batch.buffer)
  })

  test('checks the checksum unless told not to', () => {
    const batch = encodeRecordBatch([{ value: 'x', timestamp: 0 }])
    batch[batch.length - 2]! ^= 1
    expect(codeOf(() => decodeRecords(batch))).toBe('KFK_PROTOCOL_CORRUPT')
    expect(decodeRecords(batch, { verifyChecksum: false })).toHaveLength(1)
  })

  test('reads the largest and smallest timestamps that are numbers', () => {
    const times = [0, Number.MAX_SAFE_INTEGER, -1, 2 ** 31, -(2 ** 31), 2 ** 28 - 1, 2 ** 40]
    const batch = encodeRecordBatch(times.map((timestamp) => ({ value: null, timestamp })))
    expect(decodeRecords(batch).map((record) => record.timestamp)).toEqual(times)
    expect(readBatchHeader(batch).maxTimestamp).toBe(Number.MAX_SAFE_INTEGER)
  })
})

describe('batches', () => {
  test('ignores a partial batch at the end, wherever it is cut', () => {
    const first = encodeRecordBatch(sample)
    const two = Buffer.concat([first, encodeRecordBatch(sample.slice(0, 3), { baseOffset: 20 })])
    for (let length = first.length; length < two.length; length++) {
      const found = [...batches(two.subarray(0, length))]
      expect(found.map(({ header }) => header.baseOffset)).toEqual([0])
    }
    expect([...batches(two)].map(({ header }) => header.lastOffset)).toEqual([19, 22])
  })
})

describe('validateBatch', () => {
  const batch = encodeRecordBatch(sample)

  test('finds every changed byte but those that a broker stamps', () => {
    for (let at = 0; at < batch.length; at++) {
      const changed = Uint8Array.from(batch)
      changed[at]! ^= 0x10
      // Base offset and leader epoch.
      const stamped = at < 8 || (at >= 12 && at < 16)
      if (!stamped)
        expect(codeOf(() => validateBatch(changed))).toMatch(/CORRUPT|VERSION|MALFORMED/)
    }
  })

  test('refuses the old formats with a code of their own', () => {
    for (const magic of [0, 1]) {
      const old = Uint8Array.from(batch)
      old[16] = magic
      expect(codeOf(() => validateBatch(old))).toBe('KFK_PROTOCOL_UNSUPPORTED_VERSION')
    }
    // An empty message set entry of magic 0, 26 bytes, is shorter than the header of a batch.
    const short = new Uint8Array(26)
    short[11] = 14
    expect(codeOf(() => validateBatch(short))).toBe('KFK_PROTOCOL_UNSUPPORTED_VERSION')
    const future = Uint8Array.from(batch)
    future[16] = 3
    expect(codeOf(() => validateBatch(future))).toBe('KFK_PROTOCOL_CORRUPT')
  })

  test('refuses bytes that are not exactly one batch', () => {
    expect(codeOf(() => validateBatch(batch.subarray(0, batch.length - 1)))).toBe(
      'KFK_PROTOCOL_CORRUPT',
    )
    expect(codeOf(() => validateBatch(Buffer.concat([batch, batch])))).toBe('KFK_PROTOCOL_CORRUPT')
    expect(codeOf(() => validateBatch(new Uint8Array(0)))).toBe('KFK_PROTOCOL_MALFORMED')
  })

  test('refuses content that no consumer could read, whatever its checksum says', () => {
    const record = (...bytes: number[]) => Uint8Array.of(bytes.length * 2, ...bytes)
    const good = record(0, 0, 0, 1, 1, 0)
    const cases: [string, Uint8Array, object?][] = [
      ['fewer records than the last offset delta says', good, { lastOffsetDelta: 1 }],
      ['more records than offsets', Buffer.concat([good, good]), { recordCount: 2 }],
      ['more records than the payload holds', good, { recordCount: 1e9, lastOffsetDelta: 1e9 - 1 }],
      ['records in no payload', Uint8Array.of(), { attributes: 3, recordCount: 1 }],
      ['a negative count', good, { recordCount: -1, lastOffsetDelta: -2 }],
      ['no record at all', new Uint8Array(0), { recordCount: 0, lastOffsetDelta: -1 }],
      ['a negative base offset', good, { baseOffset: -1 }],
      ['bytes after the last record', Buffer.concat([good, Uint8Array.of(0)])],
      ['a record longer than the payload', Uint8Array.of(14, 0, 0, 0, 1, 1, 0)],
      ['a record of negative length', Uint8Array.of(13, 0, 0, 0, 1, 1, 0)],
      ['a record longer than its fields', record(0, 0, 0, 1, 1, 0, 0)],
      ['a key longer than its record', record(0, 0, 0, 100, 1, 0)],
      ['a key of length -2', record(0, 0, 0, 3, 1, 0)],
      ['a value longer than its record', record(0, 0, 0, 1, 100, 0)],
      ['a negative header count', record(0, 0, 0, 1, 1, 1)],
      ['more headers than fit', record(0, 0, 0, 1, 1, 0x80 | 2, 1, 0)],
      ['a header without a key', record(0, 0, 0, 1, 1, 2, 1, 1)],
      ['an offset delta of 1', record(0, 0, 2, 1, 1, 0)],
      ['a varint of six bytes', record(0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0)],
      ['a varint above 32 bits', record(0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 0)],
      ['a varlong of eleven bytes', record(0, ...Array<number>(10).fill(0x80), 0, 0, 1, 1, 0)],
      ['a timestamp beyond 2^53', record(0, ...Array<number>(9).fill(0xff), 1, 0, 1, 1, 0)],
    ]
    validateBatch(batchAround(good, {}))
    for (const [name, payload, fields] of cases) {
      const wrong = batchAround(payload, fields ?? {})
      const code = codeOf(() => validateBatch(wrong, { verifyRecords: 'all' }))
      expect([name, code]).toEqual([name, 'KFK_PROTOCOL_MALFORMED'])
    }
  })

  test('looks into compressed batches when told to, and no further than the limit', () => {
    const payload = Uint8Array.of(12, 0, 0, 2, 1, 1, 0)
    const compressed = compressionCodecs.compress('lz4', payload)
    const wrong = batchAround(compressed, { attributes: 3 })
    expect(codeOf(() => validateBatch(wrong))).toBe('no error')
    expect(codeOf(() => validateBatch(wrong, { verifyRecords: 'all' }))).toBe(
      'KFK_PROTOCOL_MALFORMED',
    )
    for (const compression of types.slice(1)) {
      const bomb = encodeRecordBatch([{ value: new Uint8Array(1e6), timestamp: 0 }], {
        compression,
      })
      const limits = { verifyRecords: 'all', maxDecompressedBytes: 1e6 } as const
      expect(codeOf(() => validateBatch(bomb, limits))).toBe('KFK_PROTOCOL_TOO_LARGE')
      expect(codeOf(() => decodeRecords(bomb, limits))).toBe('KFK_PROTOCOL_TOO_LARGE')
    }
    const unknown = batchAround(payload, { attributes: 5 })
    expect(codeOf(() => validateBatch(unknown))).toBe('KFK_PROTOCOL_UNSUPPORTED_COMPRESSION')
  })
})

describe('hostile batches', () => {
  test.each(types)('%s: changed at random, they give a value or a ProtocolError', (compression) => {
    const next = random(compression.length)
    const batch = encodeRecordBatch(sample, { compression })
    for (let round = 0; round < 1000; round++) {
      const bytes = Uint8Array.from(batch)
      const changes = 1 + Math.floor(next() * 5)
      for (let change = 0; change < changes; change++) {
        const at = Math.floor(next() ** 2 * bytes.length)
        // The magic and the length mostly stay, else nothing behind them is reached.
        if ((at >= 8 && at < 12) || at === 16 ? next() < 0.1 : true) bytes[at] = next() * 256
      }
      const cut = next() < 0.1 ? bytes.subarray(0, next() * bytes.length) : bytes
      const limits = { verifyChecksum: false, maxDecompressedBytes: 100_000 }
      const runs = [
        () => decodeRecords(cut, limits).map((record) => JSON.stringify(record)),
        () => validateBatch(cut, { verifyRecords: 'all', ...limits }),
        () => [...batches(cut)],
        () => recordBatchFormat.check(cut, 0),
        () => recordBatchFormat.records.retain(cut, (offset) => offset % 2 === 0),
        () => [...recordBatchFormat.records.iterate(cut)],
      ]
      for (const run of runs) codeOf(run)
      if (cut.length >= 61) codeOf(() => recordBatchFormat.producer.describe(cut, 0))
    }
  })
})

describe('stepping over a batch', () => {
  const records = (count: number): RecordInput[] =>
    Array.from({ length: count }, (_, at) => ({
      key: at % 3 === 0 ? `key ${at}` : null,
      value: 'v'.repeat((at * 37) % 300),
      timestamp: 1000 + at * 50,
      headers: at % 50 === 49 ? [{ key: 'h', value: null }] : [],
    }))

  /** What steps of the cursor say of each record, and how they end. */
  function stepped(bytes: Uint8Array) {
    const seen: number[] = []
    const outcome = codeOf(() => {
      const header = readBatchHeader(bytes)
      const cursor = new BatchCursor(payloadOf(bytes, header, 1e6), header)
      while (cursor.advance()) {
        seen.push(cursor.recordAt, cursor.offsetDelta, cursor.valueAt, cursor.valueLength)
      }
    })
    return { outcome, seen }
  }

  test('openBatch() accepts and refuses what single steps do, and notes the same places', () => {
    const batch = encodeRecordBatch(records(120), {})
    const next = random(11)
    const outcomes = new Set<string>()
    const places = new RecordPlaces()
    for (let round = 0; round < 3000; round++) {
      const bytes = batch.slice()
      // Nothing, a byte of a record, the last offset delta, or the count.
      const at = [0, 61 + (next() % (bytes.length - 61)), 26, 60][round % 4]!
      if (at > 0) bytes[at] = next() & 0xff
      const one = stepped(bytes)
      const outcome = codeOf(() => openBatch(bytes, places, { verifyChecksum: false }))
      expect(outcome).toBe(one.outcome)
      outcomes.add(outcome)
      if (outcome !== 'no error') continue
      expect([...places.numbers.subarray(0, one.seen.length)]).toEqual(one.seen)
    }
    expect(outcomes).toEqual(new Set(['no error', 'KFK_PROTOCOL_MALFORMED']))
  })

  test('places of compressed and of compacted batches are those of what is read', () => {
    const places = new RecordPlaces()
    const whole = encodeRecordBatch(records(90), { compression: 'gzip', baseOffset: 5 })
    const kept = recordBatchFormat.records.retain(whole, (offset) => offset % 7 === 0)
    for (const batch of [whole, kept!]) {
      const source = openBatch(batch, places)
      const read = decodeRecords(batch)
      expect(source.recordCount).toBe(read.length)
      const placed = read.map((_, index) => {
        const record = new PlacedRecord(source, places.numbers, index * PLACE_NUMBERS)
        const { position, timestampMs, key, value, headers, keyStart, keyLength } = record
        expect(source.view(keyStart, keyLength)).toEqual(key)
        return { offset: position, timestamp: timestampMs, key, value, headers }
      })
      expect(placed.map((each) => JSON.stringify(each))).toEqual(
        read.map((each) => JSON.stringify(each)),
      )
      expect(placed).toHaveLength(batch === whole ? 90 : 13)
      expect(placed.some(({ key }) => key !== null)).toBe(true)
    }
  })

  test('memory of places is used again, but for what one unusual batch has needed', () => {
    const places = new RecordPlaces()
    const usual = places.reserve(1000)
    expect(places.reserve(10)).toBe(usual)
    expect(places.reserve(1001)).not.toBe(usual)
    const large = places.reserve(100_000)
    expect(large).toHaveLength(100_000 * PLACE_NUMBERS)
    expect(places.reserve(99_999)).toBe(large)
    expect(places.reserve(1000)).toHaveLength(1000 * PLACE_NUMBERS)
  })
})
