import { apis, errorCodes } from '@kfk/protocol'
import type { Allowance } from '../support/compare'
import type { Peer } from '../support/peer'
import { at, baseTime, batchOf, int16, int32, int64, patched, recordsOf } from '../support/batches'
import { oldMessages } from '../support/old-messages'
import { produce, readBack } from '../support/produced'
import { scenario } from '../support/scenario'

const sound = batchOf(recordsOf(3))
const packed = batchOf(recordsOf(3), { compression: 'gzip' })
const hour = 3_600_000

/**
 * Batches with something wrong, or odd, by what that is. Not null, on which Kafka closes the
 * connection, nor no bytes at all, to which it never answers.
 */
const oddBatches: Readonly<Record<string, Uint8Array | null>> = {
  'one byte': new Uint8Array(1),
  'half a header': sound.subarray(0, 40),
  'no record bytes': sound.subarray(0, 61),
  'the last byte missing': sound.subarray(0, sound.length - 1),
  'a byte too many': Buffer.concat([sound, Buffer.alloc(1)]),
  'half a batch more': Buffer.concat([sound, sound.subarray(0, 70)]),
  'two batches': Buffer.concat([sound, sound]),
  'two packed batches': Buffer.concat([packed, packed]),
  'magic 3': patched(sound, at.magic, [3]),
  'magic -1': patched(sound, at.magic, [255]),
  'bad checksum': patched(sound, at.crc, [1, 2, 3, 4], { checksum: false }),
  'length 0': patched(sound, at.batchLength, int32(0)),
  'length -1': patched(sound, at.batchLength, int32(-1)),
  'length 48': patched(sound, at.batchLength, int32(48)),
  'a length of one less': patched(sound, at.batchLength, int32(sound.length - 13)),
  'a length of one more': patched(sound, at.batchLength, int32(sound.length - 11)),
  'base offset 5': patched(sound, at.baseOffset, int64(5n)),
  'base offset -1': patched(sound, at.baseOffset, int64(-1n)),
  'a leader epoch': patched(sound, at.leaderEpoch, int32(77)),
  'codec 5': patched(sound, at.attributes, int16(5)),
  'codec 7': patched(sound, at.attributes, int16(7)),
  'codec gzip on plain bytes': patched(sound, at.attributes, int16(1)),
  'codec snappy on plain bytes': patched(sound, at.attributes, int16(2)),
  'codec lz4 on plain bytes': patched(sound, at.attributes, int16(3)),
  'codec zstd on plain bytes': patched(sound, at.attributes, int16(4)),
  'codec none on packed bytes': patched(packed, at.attributes, int16(0)),
  'marked as append time': patched(sound, at.attributes, int16(8)),
  'a control batch': patched(sound, at.attributes, int16(32)),
  'a delete horizon': patched(sound, at.attributes, int16(64)),
  'unused attributes': patched(sound, at.attributes, int16(128 + 1024)),
  '4 records of 3': patched(sound, at.recordCount, int32(4)),
  '2 records of 3': patched(sound, at.recordCount, int32(2)),
  '0 records': patched(sound, at.recordCount, int32(0)),
  '-1 records': patched(sound, at.recordCount, int32(-1)),
  'last offset delta 3': patched(sound, at.lastOffsetDelta, int32(3)),
  'last offset delta 1': patched(sound, at.lastOffsetDelta, int32(1)),
  'last offset delta -1': patched(sound, at.lastOffsetDelta, int32(-1)),
  '4 of 3 records, and delta': countOf(sound, 4),
  '2 of 3 records, and delta': countOf(sound, 2),
  '0 of 3 records, and delta': countOf(sound, 0),
  '4 of 3 packed records': countOf(packed, 4),
  '2 of 3 packed records': countOf(packed, 2),
  'maximal time too small': patched(sound, at.maxTimestamp, int64(BigInt(baseTime - 5))),
  'maximal time too large': patched(sound, at.maxTimestamp, int64(BigInt(baseTime + 10 * hour))),
  'maximal time -1': patched(sound, at.maxTimestamp, int64(-1n)),
  'packed, maximal time too small': patched(packed, at.maxTimestamp, int64(5n)),
  'base time -1': patched(sound, at.baseTimestamp, int64(-1n)),
  'base time 0': patched(sound, at.baseTimestamp, int64(0n)),
  'a record of impossible length': patched(sound, at.records, [255]),
  'a record of length 0': patched(sound, at.records, [0]),
  'an offset delta that is not the next': patched(sound, at.records + 3, [10]),
  'attributes of a record': patched(sound, at.records + 1, [1]),
  'damaged packed bytes': patched(packed, packed.length - 12, [1, 2, 3]),
}

function countOf(batch: Uint8Array, count: number): Uint8Array {
  const delta = patched(batch, at.lastOffsetDelta, int32(count - 1))
  return patched(delta, at.recordCount, int32(count))
}

/** Each on a partition of its own, so that one that is taken does not move the others. */
async function produceOdd(peer: Peer, configs: Record<string, string>): Promise<void> {
  const partitions = Object.keys(oddBatches).length
  const topic = await peer.topic('topic', { partitions, configs })
  for (const [partition, [name, records]] of Object.entries(oddBatches).entries()) {
    const note = `[${name}]`
    await produce(peer, { topic, partition, records, note })
    await readBack(peer, topic, { partition, note })
  }
}

const strict: readonly Allowance[] = [
  ...[5, 7].map((codec) => ({
    step: `[codec ${codec}]`,
    path: 'responses[].partitionResponses[].errorCode',
    kfk: errorCodes.UNSUPPORTED_COMPRESSION_TYPE,
    kafka: errorCodes.UNKNOWN_SERVER_ERROR,
    why: 'Kafka fails where kfk says what it is',
  })),
  ...[
    '[a delete horizon]',
    '[an offset delta that is not the next]',
    '[marked as append time]',
  ].map((step) => ({
    step,
    path: '',
    why: 'Kafka takes what its readers then stumble over; kfk refuses it',
  })),
  ...['maximal time too small', 'maximal time too large', 'maximal time -1', 'base time'].map(
    (step) => ({
      step,
      path: 'responses[].partitions[].records[].maxTimestamp',
      why: 'kfk believes the largest time of a header instead of looking at every record',
    }),
  ),
  {
    step: '[unused attributes]',
    path: 'responses[].partitions[].records[].attributes',
    why: 'Kafka clears them where it stamps a batch, and keeps them elsewhere',
  },
]

const unopened: readonly Allowance[] = [
  'codec gzip on plain bytes',
  'codec snappy on plain bytes',
  'codec lz4 on plain bytes',
  'codec zstd on plain bytes',
  '4 of 3 packed records',
  '2 of 3 packed records',
  'damaged packed bytes',
].map((name) => ({
  step: `[${name}]`,
  path: '',
  why: 'kfk opens compressed batches only where a config of the topic makes it: that costs most',
}))

/** Where kfk opens them, it says what is wrong. */
const opened: readonly Allowance[] = unopened.map((one) => ({
  ...one,
  path: 'responses[].partitionResponses[].errorCode',
  kfk: errorCodes.INVALID_RECORD,
  kafka: errorCodes.UNKNOWN_SERVER_ERROR,
  why: 'Kafka fails where kfk says what it is',
}))

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

function batchesWithTimes(now: number): Record<string, Uint8Array> {
  const stamped = (...times: number[]) => {
    return batchOf(times.map((timestamp, index) => ({ value: `v${index}`, timestamp })))
  }
  return {
    now: stamped(now),
    'no time': stamped(-1),
    'a second ago': stamped(now - 1000),
    'an hour ago': stamped(now - hour),
    'in an hour': stamped(now + hour),
    'one of three an hour ago': stamped(now, now - hour, now),
    'two of three in an hour': stamped(now + hour, now, now + hour),
    'both at once': stamped(now + hour, now - hour),
    'time 0': stamped(0),
    'negative time': stamped(-5),
    'packed, one of two an hour ago': batchOf(
      [
        { value: 'a', timestamp: now },
        { value: 'b', timestamp: now - hour },
      ],
      { compression: 'lz4' },
    ),
  }
}

export const produceValidationScenarios = [
  scenario('validation: odd batches', (peer) => produceOdd(peer, {}), [...strict, ...unopened]),
  scenario(
    'validation: odd batches on a compacted topic',
    (peer) => produceOdd(peer, { 'cleanup.policy': 'compact' }),
    [...strict, ...opened],
  ),
  scenario(
    'validation: odd batches under log append time',
    (peer) => produceOdd(peer, { 'message.timestamp.type': 'LogAppendTime' }),
    [...strict, ...unopened],
  ),
  scenario(
    'validation: odd batches that are compressed anew',
    (peer) => produceOdd(peer, { 'compression.type': 'lz4' }),
    [...strict, ...opened],
  ),
  scenario('validation: refusals in every version', async (peer) => {
    const topic = await peer.topic()
    const notes = ['bad checksum', '4 records of 3', 'a control batch', 'magic 3', 'two batches']
    for (const version of peer.versions(apis.produce).filter((version) => version >= 3)) {
      for (const note of notes) {
        await produce(peer, { topic, records: oddBatches[note]!, version, note })
      }
    }
  }),
  scenario('validation: record formats 0 and 1', async (peer) => {
    const topic = await peer.topic()
    for (const [note, records] of Object.entries(oldMessages)) {
      for (const version of [3, 7, 13]) await produce(peer, { topic, records, version, note })
    }
  }),
  scenario('validation: records without keys on a compacted topic', async (peer) => {
    for (const policy of ['compact', 'compact,delete']) {
      const configs = { 'cleanup.policy': policy }
      const topic = await peer.topic(policy.replace(',', '-'), { configs })
      const keyless = { value: 'v', timestamp: baseTime }
      const keyed = { key: 'k', ...keyless }
      for (const compression of codecs) {
        for (const records of [
          [keyless],
          [keyed, keyless, keyed, keyless],
          [keyed],
          [{ ...keyed, key: '' }],
          [{ ...keyed, value: null }],
        ]) {
          await produce(peer, { topic, records: batchOf(records, { compression }) })
        }
      }
      for (const version of peer.versions(apis.produce).filter((version) => version >= 3)) {
        await produce(peer, { topic, records: batchOf([keyed, keyless]), version })
      }
      await readBack(peer, topic)
    }
  }),
  scenario('validation: limits of timestamps', async (peer) => {
    const limits = {
      'message.timestamp.before.max.ms': '600000',
      'message.timestamp.after.max.ms': '600000',
    }
    const kinds = [
      ['limited', limits],
      ['unlimited', {}],
      ['stamped', { ...limits, 'message.timestamp.type': 'LogAppendTime' }],
    ] as const
    for (const [name, configs] of kinds) {
      const topic = await peer.topic(name, { configs })
      for (const [note, records] of Object.entries(batchesWithTimes(Date.now()))) {
        await produce(peer, { topic, records, note })
      }
      await peer.ask(apis.listOffsets, 1, {
        replicaId: -1,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      })
    }
  }),
  scenario('validation: sizes', async (peer) => {
    const small = await peer.topic('small', { configs: { 'max.message.bytes': '1000' } })
    const whole = batchOf([{ value: Buffer.alloc(900), timestamp: baseTime }])
    const fits = batchOf([{ value: Buffer.alloc(900 + 1000 - whole.length), timestamp: baseTime }])
    const over = batchOf([{ value: Buffer.alloc(901 + 1000 - whole.length), timestamp: baseTime }])
    const packs = batchOf([{ value: Buffer.alloc(5000), timestamp: baseTime }], {
      compression: 'gzip',
    })
    for (const version of peer.versions(apis.produce).filter((version) => version >= 3)) {
      for (const [note, records] of Object.entries({ fits, over, packs })) {
        await produce(peer, { topic: small, records, version, note })
      }
    }
    await readBack(peer, small)
    const segment = await peer.topic('segment', {
      configs: { 'segment.bytes': '1048576', 'max.message.bytes': '5000000' },
    })
    const large = batchOf([{ value: Buffer.alloc(1_100_000), timestamp: baseTime }])
    await produce(peer, { topic: segment, records: large, note: 'more than a segment' })
  }),
  scenario('validation: compression of the topic', async (peer) => {
    for (const type of ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd']) {
      const configs = { 'compression.type': type }
      const topic = await peer.topic(type, { configs })
      for (const compression of codecs) {
        const records = batchOf(recordsOf(5), { compression })
        await produce(peer, { topic, records, note: `${compression} to ${type}` })
      }
      const headers = [{ key: 'h', value: Buffer.from('x') }]
      const odd = [
        { key: null, value: null, timestamp: baseTime, headers },
        { key: '', value: '', timestamp: baseTime - 5000 },
        { key: 'k', value: 'v', timestamp: -1 },
      ]
      await produce(peer, { topic, records: batchOf(odd), note: `odd records to ${type}` })
      await readBack(peer, topic)
    }
  }),
  scenario('validation: compression under log append time', async (peer) => {
    for (const type of ['producer', 'gzip']) {
      const configs = { 'compression.type': type, 'message.timestamp.type': 'LogAppendTime' }
      const topic = await peer.topic(type, { configs })
      for (const compression of ['none', 'gzip', 'lz4'] as const) {
        await produce(peer, { topic, records: batchOf(recordsOf(3), { compression }) })
      }
      await readBack(peer, topic)
    }
  }),
]
