import { ZERO_UUID } from '@kfk/protocol'
import fc from 'fast-check'
import { CommittedOffsets, offsetsOf } from '../../src/group/committed-offsets.js'
import { javaHash, partitionOfGroup } from '../../src/group/group-partition.js'
import {
  decodeOffsetsRecord,
  encodeOffsetsRecord,
  type OffsetsRecord,
} from '../../src/group/group-records.js'

const name = fc.constantFrom('a', 'b', 'constructor', '__proto__', 'ü')
const record: fc.Arbitrary<OffsetsRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('offset' as const),
    groupId: name,
    topic: name,
    partition: fc.nat(2),
    committed: fc.option(
      fc.record({
        offset: fc.maxSafeNat(),
        leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
        metadata: fc.string(),
        commitTimestamp: fc.maxSafeNat(),
        expireTimestamp: fc.constant(-1),
        topicId: fc.constantFrom(ZERO_UUID, 'activityTopicIdAAAAAAA'),
      }),
    ),
  }),
  fc.record({
    kind: fc.constant('group' as const),
    groupId: name,
    floor: fc.option(
      fc.record({
        generation: fc.nat(2 ** 31 - 1),
        protocolType: fc.constantFrom('consumer', ''),
        timestamp: fc.maxSafeNat(),
      }),
    ),
  }),
)

test('a record reads back as it was written', () => {
  fc.assert(
    fc.property(record, (written) => {
      const { key, value } = encodeOffsetsRecord(written)
      expect(decodeOffsetsRecord(key, value)).toEqual(written)
    }),
    { seed: 1 },
  )
})

test('replaying records gives what a plain model of them gives', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 60 }), (records) => {
      const model = new Map<string, OffsetsRecord>()
      const state = new CommittedOffsets()
      for (const each of records) {
        state.replay(each)
        const key = Buffer.from(encodeOffsetsRecord(each).key).toString('hex')
        if (encodeOffsetsRecord(each).value === null) model.delete(key)
        else model.set(key, each)
      }
      const held = [...state.groups()].flatMap(([groupId, group]): OffsetsRecord[] => [
        ...(group.floor ? [{ kind: 'group' as const, groupId, floor: group.floor }] : []),
        ...Array.from(offsetsOf(group), (entry) => ({
          kind: 'offset' as const,
          groupId,
          ...entry,
        })),
      ])
      expect(new Set(held)).toEqual(new Set(model.values()))
    }),
    { seed: 1 },
  )
})

test('bytes that are no record of ours are passed over', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.option(fc.uint8Array()), (key, value) => {
      expect(() => decodeOffsetsRecord(key, value)).not.toThrow()
    }),
    { seed: 1 },
  )
})

test('records are byte for byte those of Kafka 4.1', () => {
  // As written by kafka-consumer-groups against a real broker: key version 1, value version 4.
  const committed = {
    offset: 5,
    leaderEpoch: 0,
    metadata: '',
    commitTimestamp: 1_700_000_000_000,
    expireTimestamp: -1,
    topicId: ZERO_UUID,
  }
  const offset = encodeOffsetsRecord({
    kind: 'offset',
    groupId: 'g',
    topic: 't',
    partition: 3,
    committed,
  })
  expect(Buffer.from(offset.key).toString('hex')).toBe('0001' + '000167' + '000174' + '00000003')
  expect(Buffer.from(offset.value!).toString('hex')).toBe(
    '0004' + '0000000000000005' + '00000000' + '01' + '0000018bcfe56800' + '00',
  )
  const floor = { generation: 7, protocolType: 'consumer', timestamp: 1_700_000_000_000 }
  const group = encodeOffsetsRecord({ kind: 'group', groupId: 'g', floor })
  expect(Buffer.from(group.key).toString('hex')).toBe('0002' + '000167')
  expect(Buffer.from(group.value!).toString('hex')).toBe(
    '0003' +
      '0008636f6e73756d6572' +
      '00000007' +
      'ffff' +
      'ffff' +
      '0000018bcfe56800' +
      '00000000',
  )
})

test('groups fall on partitions as Java’s String.hashCode says', () => {
  // Values of Java: "".hashCode(), "a".hashCode(), "hello".hashCode(), and the string whose hash is
  // Integer.MIN_VALUE.
  expect([javaHash(''), javaHash('a'), javaHash('hello')]).toEqual([0, 97, 99_162_322])
  expect(javaHash('polygenelubricants')).toBe(-2_147_483_648)
  expect(partitionOfGroup('polygenelubricants', 50)).toBe(0)
  expect(partitionOfGroup('hello', 50)).toBe(22)
})
