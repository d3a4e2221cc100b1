import {
  decodeRecords,
  readBatchHeader,
  RecordBatchBuilder,
  validateBatch,
  encodeRecordBatch,
} from '@kfk/protocol'
import type { RecordInput } from '@kfk/protocol'

const encoder = new TextEncoder()

describe('RecordBatchBuilder', () => {
  test('values appended one after another are what any records are', () => {
    const lengths = [0, 1, 12, 13, 55, 56, 57, 62, 63, 64, 65, 100, 8170, 8175, 8176, 9000]
    const deltas = [0, 1, 63, 64, 8191, 8192]
    const maxBytes = 1_000_000
    const quick = new RecordBatchBuilder({ maxBytes, buffer: new Uint8Array(maxBytes) })
    const plain = new RecordBatchBuilder({ maxBytes })
    const refused = new Set<string>()
    const append = (length: number, timestamp: number): void => {
      const value = new Uint8Array(length).fill(plain.recordCount & 0xff)
      const delta = timestamp - 5000
      if (!quick.tryAppendValue(value)) {
        refused.add(length > 8175 ? 'long' : delta > 8191 ? 'late' : `${plain.recordCount}`)
        expect(quick.tryAppend({ value, timestamp })).toBe(true)
      }
      expect(plain.tryAppend({ key: null, value, timestamp })).toBe(true)
    }
    for (const delta of deltas) {
      const timestamp = 5000 + delta
      const first = { value: null, timestamp }
      expect(quick.tryAppend(first)).toBe(true)
      expect(plain.tryAppend(first)).toBe(true)
      for (const length of lengths) append(length, timestamp)
    }
    expect(quick.tryAppend({ value: null, timestamp: 5000 })).toBe(true)
    expect(plain.tryAppend({ value: null, timestamp: 5000 })).toBe(true)
    while (plain.recordCount < 8200) append(3, 5000)
    const counts = [8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199].map(String)
    expect([...refused]).toEqual(['long', 'late', ...counts])
    expect(Buffer.compare(quick.build(), plain.build())).toBe(0)
  })

  test('texts appended one after another are what any records are', () => {
    const texts = ['', 'a', 'x'.repeat(57), 'é'.repeat(31), '日本語'.repeat(900), '😀'.repeat(20)]
    const quick = new RecordBatchBuilder({ maxBytes: 50_000, buffer: new Uint8Array(50_000) })
    const plain = new RecordBatchBuilder({ maxBytes: 50_000 })
    expect(quick.tryAppendText('a')).toBe(false)
    for (const timestamp of [7, 70, 7000, 9000]) {
      for (const [index, value] of texts.entries()) {
        const isQuick = index > 0 && timestamp < 9000
        expect(isQuick ? quick.tryAppendText(value) : quick.tryAppend({ value, timestamp })).toBe(
          true,
        )
        expect(plain.tryAppend({ value, timestamp })).toBe(true)
      }
    }
    expect(quick.tryAppendText('too late')).toBe(false)
    expect(Buffer.compare(quick.build(), plain.build())).toBe(0)
    expect(quick.tryAppendText('built')).toBe(false)
  })

  test('a text that might make a batch full is refused', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 300, buffer: new Uint8Array(1000) })
    expect(builder.tryAppend({ value: 'a', timestamp: 9 })).toBe(true)
    const room = 300 - builder.sizeInBytes
    expect(builder.tryAppendText('a'.repeat(room - 9))).toBe(false)
    expect(builder.tryAppendText('é'.repeat(room >> 1))).toBe(false)
    expect(builder.tryAppendText('é'.repeat(room >> 2))).toBe(true)
    expect(builder.sizeInBytes).toBeLessThan(300)
    validateBatch(builder.build())
  })

  test('a value that would make a batch full, its first, and one after the end are refused', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 300, buffer: new Uint8Array(1000) })
    expect(builder.tryAppendValue(new Uint8Array(3))).toBe(false)
    expect(builder.tryAppend({ value: null, timestamp: 9 })).toBe(true)
    const room = 300 - builder.sizeInBytes
    expect(builder.tryAppendValue(new Uint8Array(room - 9))).toBe(false)
    expect(builder.tryAppendValue(new Uint8Array(room - 10))).toBe(true)
    expect(builder.sizeInBytes).toBe(299)
    expect(builder.recordCount).toBe(2)
    validateBatch(builder.build())
    expect(builder.tryAppendValue(new Uint8Array(0))).toBe(false)
  })

  test('what it builds is valid and reads back as it was given', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024 })
    const texts = [
      '',
      'a',
      'plain',
      'naïve',
      '日本語',
      '😀'.repeat(40),
      'x'.repeat(63),
      'é'.repeat(63),
    ]
    for (const [index, text] of texts.entries()) {
      expect(
        builder.tryAppend({
          key: index % 2 === 0 ? text : null,
          value: index === 3 ? null : text,
          timestamp: 1_700_000_000_000 + index * 1000 - 2000,
          headers:
            index > 5
              ? [
                  { key: text, value: encoder.encode(text) },
                  { key: 'n', value: null },
                ]
              : [],
        }),
      ).toBe(true)
    }
    const batch = builder.build()
    validateBatch(batch)
    const header = readBatchHeader(batch)
    expect(header).toMatchObject({
      baseOffset: 0,
      magic: 2,
      recordCount: texts.length,
      lastOffset: texts.length - 1,
      sizeInBytes: batch.length,
      producerId: -1n,
      producerEpoch: -1,
      baseSequence: -1,
      partitionLeaderEpoch: -1,
      compression: 'none',
      baseTimestamp: 1_699_999_998_000,
      maxTimestamp: 1_700_000_005_000,
    })
    const records = decodeRecords(batch)
    for (const [index, text] of texts.entries()) {
      const record = records[index]!
      expect(record.offset).toBe(index)
      expect(record.timestamp).toBe(1_700_000_000_000 + index * 1000 - 2000)
      expect(record.key).toEqual(index % 2 === 0 ? encoder.encode(text) : null)
      expect(record.value).toEqual(index === 3 ? null : encoder.encode(text))
      expect(record.headers).toEqual(
        index > 5
          ? [
              { key: text, value: encoder.encode(text) },
              { key: 'n', value: null },
            ]
          : [],
      )
    }
  })

  test('strings are written as their UTF-8 bytes would be, whatever their length', () => {
    for (const unit of ['a', 'é', '語', '😀', '\ud800']) {
      for (const count of [0, 1, 20, 21, 31, 32, 62, 63, 64, 2700, 2731, 8191, 8192]) {
        const text = unit.repeat(count)
        const bytes = encoder.encode(text)
        const fromText = encodeRecordBatch([{ key: text, value: text, timestamp: 5 }])
        const fromBytes = encodeRecordBatch([{ key: bytes, value: bytes, timestamp: 5 }])
        expect(Buffer.compare(fromText, fromBytes)).toBe(0)
        validateBatch(fromText)
      }
    }
  })
})

describe('records of bytes', () => {
  const lengths = [-1, 0, 1, 12, 13, 57, 58, 63, 64, 8191, 8192]
  const bytesOf = (length: number) => (length < 0 ? null : new Uint8Array(length).fill(length + 3))

  test('of every length and distance in time read back, and are what text would be', () => {
    const times = [0, 1, -1, 63, 64, -64, -65, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1]
    const records = lengths.flatMap((keyLength) =>
      lengths.map((valueLength, at) => ({
        key: bytesOf(keyLength),
        value: bytesOf(valueLength),
        timestamp: 1_700_000_000_000 + times[at]!,
      })),
    )
    const batch = encodeRecordBatch(records)
    validateBatch(batch)
    const shown = ({ key, value, timestamp }: RecordInput) =>
      [key, value, timestamp].map((part) =>
        part instanceof Uint8Array ? Buffer.from(part).toString('latin1') : part,
      )
    expect(decodeRecords(batch).map(shown)).toEqual(records.map(shown))
    expect(readBatchHeader(batch).maxTimestamp).toBe(1_700_000_000_000 + 2 ** 31)
    for (const { key, value, timestamp } of records) {
      const one = encodeRecordBatch([{ key, value, timestamp }])
      const builder = new RecordBatchBuilder({ maxBytes: one.length, buffer: one.slice() })
      expect(builder.tryAppend({ key, value, timestamp, headers: [] })).toBe(true)
      expect(Buffer.compare(builder.build(), one)).toBe(0)
    }
  })

  test('fill a batch to its last byte', () => {
    const value = new Uint8Array(20)
    const two = encodeRecordBatch([
      { value, timestamp: 1 },
      { value, timestamp: 1 },
    ])
    for (const missing of [0, 1]) {
      const builder = new RecordBatchBuilder({ maxBytes: two.length - missing })
      expect(builder.tryAppend({ timestamp: 1, value })).toBe(true)
      expect(builder.tryAppend({ timestamp: 1, value })).toBe(missing === 0)
      if (missing === 0) expect(Buffer.compare(builder.build(), two)).toBe(0)
    }
  })

  test('build takes the producer that is known only then', () => {
    const producer = { producerId: 7n, producerEpoch: 3, baseSequence: 11 }
    const builder = new RecordBatchBuilder({ maxBytes: 1000 })
    builder.tryAppend({ timestamp: 1, value: new Uint8Array(1) })
    const batch = builder.build(producer)
    validateBatch(batch)
    expect(readBatchHeader(batch)).toMatchObject(producer)
  })
})

describe('the size of a batch', () => {
  test('stays within maxBytes but for a first record; a refused record changes nothing', () => {
    for (const value of ['a'.repeat(100), 'é'.repeat(50), new Uint8Array(100)]) {
      for (let maxBytes = 150; maxBytes < 500; maxBytes++) {
        const builder = new RecordBatchBuilder({ maxBytes })
        const record = { value, timestamp: 1 }
        let appended = 0
        while (builder.tryAppend(record)) appended++
        expect(builder.recordCount).toBe(appended)
        const before = builder.sizeInBytes
        expect(before).toBeLessThanOrEqual(Math.max(maxBytes, 61 + 110))
        const batch = builder.build()
        expect(batch.length).toBe(before)
        validateBatch(batch)
        const more = encodeRecordBatch(Array<typeof record>(appended + 1).fill(record))
        expect(more.length).toBeGreaterThan(maxBytes)
      }
    }
    const huge = new RecordBatchBuilder({ maxBytes: 100 })
    expect(huge.tryAppend({ value: new Uint8Array(100_000), timestamp: 0 })).toBe(true)
    expect(huge.tryAppend({ value: null, timestamp: 0 })).toBe(false)
    validateBatch(huge.build())
  })

  test('a buffer of maxBytes holds every record that is taken, strings and headers too', () => {
    const headers = [{ key: 'é', value: null }]
    for (const value of ['é'.repeat(40), 'a'.repeat(57), '日'.repeat(21)]) {
      for (let maxBytes = 250; maxBytes < 400; maxBytes++) {
        const buffer = new Uint8Array(maxBytes)
        const builder = new RecordBatchBuilder({ maxBytes, buffer })
        let timestamp = 1_700_000_000_000
        const next = () => ({ key: 'k', value, headers, timestamp: (timestamp += 2 ** 33) })
        while (builder.tryAppend(next()));
        const batch = builder.build()
        expect(batch.buffer).toBe(buffer.buffer)
        validateBatch(batch)
      }
    }
  })

  test('grows out of the memory it was given only when it must', () => {
    const buffer = new Uint8Array(1000)
    const small = new RecordBatchBuilder({ maxBytes: 1000, buffer })
    small.tryAppend({ value: 'x', timestamp: 0 })
    expect(small.build().buffer).toBe(buffer.buffer)
    const large = new RecordBatchBuilder({ maxBytes: 1000, buffer })
    large.tryAppend({ value: 'x'.repeat(2000), timestamp: 0 })
    const batch = large.build()
    expect(batch.buffer).not.toBe(buffer.buffer)
    validateBatch(batch)
  })

  test('what cannot be built is refused', () => {
    const code = 'KFK_PROTOCOL_INVALID_ARGUMENT'
    const builder = new RecordBatchBuilder({ maxBytes: 100 })
    expect(() => builder.build()).toThrow(expect.objectContaining({ code }))
    for (const timestamp of [Number.NaN, 1.5, 2 ** 53]) {
      const append = () => builder.tryAppend({ value: null, timestamp })
      expect(append).toThrow(expect.objectContaining({ code }))
    }
    builder.tryAppend({ value: null, timestamp: 0 })
    builder.build()
    expect(() => builder.build()).toThrow(expect.objectContaining({ code }))
    expect(() => builder.tryAppend({ value: null, timestamp: 0 })).toThrow(
      expect.objectContaining({ code }),
    )
  })
})

describe('compressed batches', () => {
  const value = new Uint8Array(1000).fill(5)
  const build = (memory?: Uint8Array): Uint8Array => {
    const builder = new RecordBatchBuilder({ maxBytes: 5000, compression: 'lz4' })
    for (let at = 0; at < 4; at++) builder.tryAppend({ value, timestamp: 7 })
    return builder.build({ producerId: 3n, producerEpoch: 0, baseSequence: 0 }, memory)
  }

  test('are put into the memory that is given, where they fit', () => {
    const own = Buffer.from(build())
    for (const spare of [-1, 0, 100]) {
      const memory = new Uint8Array(50 + own.length + spare).fill(9)
      const batch = build(memory.subarray(50))
      expect(own.equals(batch)).toBe(true)
      expect(batch.buffer === memory.buffer).toBe(spare >= 0)
      validateBatch(batch, { verifyRecords: 'all' })
      expect(decodeRecords(batch).map((record) => record.value!.length)).toEqual(
        new Array(4).fill(1000),
      )
    }
  })

  const large = (compressionLevel?: number): RecordBatchBuilder => {
    const level = compressionLevel === undefined ? {} : { compressionLevel }
    const builder = new RecordBatchBuilder({ maxBytes: 50_000, compression: 'gzip', ...level })
    for (let at = 0; at < 20; at++) builder.tryAppend({ value, timestamp: at })
    return builder
  }

  test('are the same when another thread has compressed the records', async () => {
    const builder = large()
    expect(builder.paysApart).toBe(true)
    const done = builder.compressApart()
    expect(builder.paysApart).toBe(false)
    expect(() => builder.tryAppend({ value, timestamp: 1 })).toThrow()
    await done
    expect(Buffer.compare(builder.build(), large().build())).toBe(0)
  })

  test('say at build what failed in another thread', async () => {
    const builder = large(99)
    await builder.compressApart()
    expect(() => builder.build()).toThrow('options.level')
  })

  test('pay in another thread only if they are large, and there is one', () => {
    const small = new RecordBatchBuilder({ maxBytes: 50_000, compression: 'gzip' })
    expect(small.paysApart).toBe(false)
    small.tryAppend({ value, timestamp: 1 })
    expect(small.paysApart).toBe(false)
    const none = new RecordBatchBuilder({ maxBytes: 50_000 })
    none.tryAppend({ value: new Uint8Array(40_000), timestamp: 1 })
    expect(none.paysApart).toBe(false)
  })

  test('do not change when others are built after them', () => {
    const batch = build()
    const copy = Buffer.from(batch)
    build()
    expect(copy.equals(batch)).toBe(true)
  })
})
