// Property: the bytes on disk are these, whoever reads or writes them.
import { crc32 } from 'node:zlib'
import { decodeOffsets, encodeOffsets } from '../src/checkpoint-file'
import { decodeEpochs, encodeEpochs, EpochIndex } from '../src/epoch-index'
import {
  deletedDirectoryName,
  isDeletedDirectoryName,
  parseLogName,
  parseSegmentFileName,
  segmentFileName,
} from '../src/file-names'
import { frameFormat, StoreError } from '../src/index'
import { decodeOffsetIndex, OffsetIndex } from '../src/offset-index'
import { decodeTimeIndex, TimeIndex } from '../src/time-index'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('frame', () => {
  const frame = frameFormat.encode(Buffer.from('hi'), {
    timestamp: 0x0102030405,
    key: Buffer.from('k'),
  })

  test('golden bytes', () => {
    frameFormat.stamp(frame, 0, { baseOffset: 0x1_0000_0002, leaderEpoch: 7 })
    expect(hex(frame)).toBe(
      [
        '0000000100000002', // offset
        '00000019', // 25 bytes follow
        '00000007', // leader epoch
        '66', // magic
        'b43d2167', // crc-32 of what follows
        '00', // attributes
        '0000000102030405', // timestamp
        '00000001', // key length
        '6b', // key
        '6869', // value
      ].join(''),
    )
    expect(frameFormat.check(frame, 0)).toBeUndefined()
    expect(frameFormat.sizeOf(frame, 0)).toBe(37)
    expect(frameFormat.describe(frame, 0)).toEqual({
      sizeInBytes: 37,
      baseOffset: 0x1_0000_0002,
      lastOffset: 0x1_0000_0002,
      maxTimestamp: 0x0102030405,
      leaderEpoch: 7,
      recordCount: 1,
    })
  })
  test('a frame without key, an empty value', () => {
    const [decoded] = frameFormat.decode(frameFormat.encode(new Uint8Array(0), { timestamp: 5 }))
    expect(decoded).toMatchObject({ timestamp: 5, key: null })
    expect(decoded!.value).toHaveLength(0)
  })
  test('garbage never throws and never asks for memory', () => {
    for (let seed = 1; seed < 3000; seed++) {
      const bytes = Buffer.from(
        Array.from({ length: 60 }, (_, at) => (seed * (at + 7) * 2654435761) >>> 24),
      )
      expect(typeof frameFormat.sizeOf(bytes, 0)).toBe('number')
      expect(frameFormat.check(bytes, 0)).toEqual(expect.any(String))
    }
    expect(frameFormat.sizeOf(new Uint8Array(100), 0)).toBe(0)
    expect(frameFormat.sizeOf(frame.subarray(0, 33), 0)).toBe(-1)
  })
  test('a later version is refused, not misread', () => {
    const later = Buffer.from(frame)
    later[21] = 4
    expect(frameFormat.check(later, 0)).toContain('checksum')
    expect(() => frameFormat.decode(later)).toThrow(StoreError)
    expect(frameFormat.check(withChecksum(later), 0)).toBe('unsupported frame version')
  })
  test('a tombstone is not an empty value', () => {
    const [gone, empty] = [null, ''].map((value) => frameFormat.encode(value, { key: 'k' }))
    expect(frameFormat.decode(gone!)).toMatchObject([{ tombstone: true }])
    expect(frameFormat.decode(empty!)).toMatchObject([{ tombstone: false }])
    const both = Buffer.from(frame)
    both[21] = 1
    expect(frameFormat.check(withChecksum(both), 0)).toBe('a tombstone with a value')
  })
  test('text is UTF-8', () => {
    const written = frameFormat.encode('\u00fc\u{1f600}', { timestamp: 1, key: '\u00e9' })
    const bytes = frameFormat.encode(Buffer.from('\u00fc\u{1f600}'), {
      timestamp: 1,
      key: Buffer.from('\u00e9'),
    })
    expect(hex(written)).toBe(hex(bytes))
  })
  test('what cannot be written is refused', () => {
    for (const timestamp of [-1, 1.5, NaN, 2 ** 48]) {
      expect(() => frameFormat.encode('x', { timestamp })).toThrow('timestamp cannot be')
      expect(() => frameFormat.encodeAll([{ value: 'x', timestamp }], 0)).toThrow('timestamp')
    }
    expect(() => frameFormat.encode(7 as never)).toThrow('strings or Uint8Arrays')
    expect(() => frameFormat.encodeAll([], 0)).toThrow('nothing to append')
  })
})

/** With the checksum of what it holds now, as a buggy or later writer would have it. */
function withChecksum(frame: Uint8Array): Uint8Array {
  const bytes = Buffer.from(frame)
  bytes.writeUInt32BE(crc32(bytes.subarray(21)), 17)
  return bytes
}

describe('frame of several records', () => {
  const frame = frameFormat.encodeAll(
    [{ value: 'hi', key: 'k', timestamp: 0x0102030405 }, { value: null, key: '' }, { value: '' }],
    0x0102030406,
  )

  test('golden bytes', () => {
    frameFormat.stamp(frame, 0, { baseOffset: 0x1_0000_0002, leaderEpoch: 7 })
    expect(hex(frame)).toBe(
      [
        '0000000100000002', // offset
        '00000055', // 85 bytes follow
        '00000007', // leader epoch
        '67', // magic
        hex(frame.subarray(17, 21)), // crc-32 of what follows
        '00', // attributes
        '000102030406', // largest timestamp
        '000003', // number of records
        '000002', // last relative offset
        '00000000' + '0000000102030405' + '00000001' + '00000002' + '6b' + '6869',
        '00000001' + '0000000102030406' + '00000000' + 'ffffffff',
        '00000002' + '0000000102030406' + 'ffffffff' + '00000000',
      ].join(''),
    )
    expect(Buffer.from(frame).readUInt32BE(17)).toBe(crc32(frame.subarray(21)))
    expect(frameFormat.check(frame, 0)).toBeUndefined()
    expect(frameFormat.describe(frame.subarray(0, frameFormat.headerBytes), 0)).toEqual({
      sizeInBytes: frame.length,
      baseOffset: 0x1_0000_0002,
      lastOffset: 0x1_0000_0004,
      maxTimestamp: 0x0102030406,
      leaderEpoch: 7,
      recordCount: 3,
    })
  })
  test('records come back', () => {
    const records = frameFormat.decode(Buffer.concat([frame, frameFormat.encode('one')]))
    expect(
      records.map(({ value, tombstone }) => [Buffer.from(value).toString(), tombstone]),
    ).toEqual([
      ['hi', false],
      ['', true],
      ['', false],
      ['one', false],
    ])
    expect(records.map(({ offset }) => offset - 0x1_0000_0002).slice(0, 3)).toEqual([0, 1, 2])
    expect(records.map(({ key }) => key && Buffer.from(key).toString())).toEqual([
      'k',
      '',
      null,
      null,
    ])
  })
  test('only some are kept: offsets stay', () => {
    const { retain } = frameFormat.records!
    expect(retain(frame, () => true)).toBe(frame)
    expect(retain(frame, () => false)).toBeNull()
    const less = retain(frame, (offset) => offset !== 0x1_0000_0003)!
    expect(frameFormat.check(less, 0)).toBeUndefined()
    expect(frameFormat.describe(less, 0)).toMatchObject({
      ...frameFormat.describe(frame, 0),
      sizeInBytes: frame.length - 20,
      recordCount: 2,
    })
    expect(frameFormat.decode(less).map(({ offset }) => offset - 0x1_0000_0002)).toEqual([0, 2])
    const first = retain(frame, (offset) => offset === 0x1_0000_0002)!
    expect(frameFormat.describe(first, 0)).toMatchObject({ maxTimestamp: 0x0102030405 })
  })
  test('every flipped bit that the checksum covers is noticed, and every impossible field', () => {
    for (let bit = 16 * 8; bit < frame.length * 8; bit++) {
      const damaged = Buffer.from(frame)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect([bit, frameFormat.check(damaged, 0)]).toEqual([bit, expect.any(String)])
      // A checksum that fits is no excuse: nothing is read beyond the frame, and nothing loops.
      const consistent = withChecksum(damaged)
      if (frameFormat.check(consistent, 0) === undefined) {
        expect(frameFormat.decode(consistent).length).toBeGreaterThan(0)
      }
    }
  })
})

test('offset index: golden bytes, floor search, zero tail', () => {
  const index = new OffsetIndex()
  index.append(4, 100)
  index.append(0x01020304, 0x7fffffff)
  expect(hex(index.encode())).toBe('0000000400000064010203047fffffff')
  expect(hex(index.encode(1))).toBe('010203047fffffff')
  expect([3, 4, 5, 0x01020304].map((offset) => index.floor(offset))).toEqual([-1, 0, 0, 1])
  const padded = Buffer.concat([index.encode(), new Uint8Array(80)])
  expect(decodeOffsetIndex(padded, 2 ** 31)?.count).toBe(2)
  expect(decodeOffsetIndex(padded.subarray(0, 12), 2 ** 31)).toBeUndefined()
  expect(decodeOffsetIndex(padded, 100)).toBeUndefined()
  expect(decodeOffsetIndex(Buffer.concat([padded, index.encode()]), 2 ** 31)).toBeUndefined()
  index.truncateToPosition(100)
  expect(index.count).toBe(0)
})

test('time index: golden bytes, strictly increasing, zero tail', () => {
  const index = new TimeIndex()
  index.maybeAppend(1_700_000_000_000, 3)
  index.maybeAppend(1_700_000_000_000, 9)
  index.maybeAppend(1_700_000_000_001, 10)
  expect(hex(index.encode())).toBe('0000018bcfe56800000000030000018bcfe568010000000a')
  expect([0, 1_700_000_000_000, 2e12].map((ms) => index.floor(ms))).toEqual([-1, 0, 1])
  const padded = Buffer.concat([index.encode(), new Uint8Array(36)])
  expect(decodeTimeIndex(padded)?.count).toBe(2)
  expect(decodeTimeIndex(padded.subarray(0, 13))).toBeUndefined()
  index.truncateToOffset(10)
  expect(index.count).toBe(1)
})

test('time index: the first ms of 1970 is a timestamp, not a zero tail', () => {
  const index = new TimeIndex()
  index.maybeAppend(0, 0)
  index.maybeAppend(5, 3)
  expect(decodeTimeIndex(index.encode())?.count).toBe(2)
  expect(decodeTimeIndex(Buffer.concat([index.encode(), new Uint8Array(24)]))?.count).toBe(2)
  expect(decodeTimeIndex(new Uint8Array(24))?.count).toBe(0)
  const late = Buffer.concat([index.encode(), new Uint8Array(12), index.encode()])
  expect(decodeTimeIndex(late)).toBeUndefined()
})

test('checkpoints: Kafka text, nothing else accepted', () => {
  const offsets = new Map([
    ['my-topic-3', 42],
    ['b-0', 9007199254740991],
  ])
  const bytes = encodeOffsets(offsets)
  expect(bytes.toString()).toBe('0\n2\nmy-topic 3 42\nb 0 9007199254740991\n')
  expect(decodeOffsets(bytes, 'x')).toEqual(offsets)
  expect(decodeOffsets(new Uint8Array(0), 'x').size).toBe(0)
  for (const bad of ['1\n0\n', '0\n1\n', '0\n0', '0\n1\na 0 x\n', '0\n1\na 0 1\nb 0 1\n', 'x']) {
    expect(() => decodeOffsets(Buffer.from(bad), 'x')).toThrow('not an offset checkpoint')
  }
  expect(encodeEpochs([{ epoch: 3, startOffset: 10 }]).toString()).toBe('0\n1\n3 10\n')
  for (const bad of ['', '0\n1\n3 10', '0\n2\n3 10\n3 11\n', '0\n2\n3 10\n4 10\n']) {
    expect(() => decodeEpochs(Buffer.from(bad), 'x')).toThrow('not an epoch checkpoint')
  }
})

test('epochs: assignment and ends as KIP-101 and KIP-279 have them', () => {
  const epochs = new EpochIndex()
  expect(epochs.endOf(0, 0)).toEqual({ leaderEpoch: -1, endOffset: -1 })
  epochs.assign(2, 0)
  epochs.assign(4, 10)
  expect(epochs.assign(4, 12)).toBe(false)
  epochs.assign(5, 10)
  expect(epochs.entries).toEqual([
    { epoch: 2, startOffset: 0 },
    { epoch: 5, startOffset: 10 },
  ])
  expect(epochs.endOf(1, 20)).toEqual({ leaderEpoch: 1, endOffset: 0 })
  expect(epochs.endOf(3, 20)).toEqual({ leaderEpoch: 2, endOffset: 10 })
  expect(epochs.endOf(5, 20)).toEqual({ leaderEpoch: 5, endOffset: 20 })
  expect(epochs.endOf(6, 20)).toEqual({ leaderEpoch: -1, endOffset: -1 })
  epochs.truncateFromStart(5)
  expect(epochs.entries[0]).toEqual({ epoch: 2, startOffset: 5 })
  epochs.truncateFromEnd(10)
  expect(epochs.entries).toEqual([{ epoch: 2, startOffset: 5 }])
})

test('names of files and logs', () => {
  expect(segmentFileName(61, '.log')).toBe('00000000000000000061.log')
  expect(parseSegmentFileName('00000000000000000061.timeindex')).toEqual({
    baseOffset: 61,
    suffix: '.timeindex',
  })
  for (const name of ['61.log', '99999999999999999999.log', 'kfk.x', '00000000000000000061']) {
    expect(parseSegmentFileName(name)).toBeUndefined()
  }
  expect(parseLogName('a-b-12')).toEqual({ topic: 'a-b', partition: 12 })
  for (const name of ['a', 'a-', '-0', 'a-01', '../x-0', '..-0', `${'a'.repeat(250)}-0`, 'a/b-0']) {
    expect(parseLogName(name)).toBeUndefined()
  }
  const deleted = deletedDirectoryName(
    `${'a'.repeat(249)}-0`,
    '0f8fad5b-d9cb-469f-a165-70867728950e',
  )
  expect(deleted).toHaveLength(255)
  expect(isDeletedDirectoryName(deleted)).toBe(true)
})
