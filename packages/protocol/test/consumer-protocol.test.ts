import {
  decodeConsumerAssignment,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
} from '../src/messages/consumer-protocol.js'

test('a subscription survives every version, minus what the version lacks', () => {
  const full = {
    topics: ['a', 'b'],
    userData: Buffer.from('data'),
    ownedPartitions: [{ topic: 'a', partitions: [0, 2] }],
    generationId: 7,
    rackId: 'rack',
  }
  expect(decodeConsumerSubscription(encodeConsumerSubscription(full))).toEqual(full)
  expect(decodeConsumerSubscription(encodeConsumerSubscription(full, 1))).toEqual({
    ...full,
    generationId: -1,
    rackId: null,
  })
})

test('version 0 has the bytes that every consumer since 0.9 writes', () => {
  const bytes = encodeConsumerSubscription({ topics: ['t'] }, 0)
  expect(bytes.toString('hex')).toBe(
    '0000' + // version
      '00000001' + // topics: 1
      '000174' + // 't'
      'ffffffff', // userData: null
  )
  const assignment = encodeConsumerAssignment(
    { assignedPartitions: [{ topic: 't', partitions: [3] }] },
    0,
  )
  expect(assignment.toString('hex')).toBe('000000000001000174' + '0000000100000003' + 'ffffffff')
})

test('a later version is read as the latest known one, what it appends is ignored', () => {
  const later = Buffer.concat([encodeConsumerSubscription({ topics: ['t'] }), Buffer.from('more')])
  later.writeInt16BE(9, 0)
  expect(decodeConsumerSubscription(later).topics).toEqual(['t'])
})

test('cut off or negative data is malformed', () => {
  const bytes = encodeConsumerAssignment({
    assignedPartitions: [{ topic: 't', partitions: [1, 2, 3] }],
  })
  for (let length = 0; length < bytes.length; length += 1) {
    expect(() => decodeConsumerAssignment(bytes.subarray(0, length))).toThrow(
      expect.objectContaining({ code: 'KFK_PROTOCOL_MALFORMED' }),
    )
  }
  expect(() => decodeConsumerAssignment(Buffer.from('ffff00000000', 'hex'))).toThrow(
    expect.objectContaining({ code: 'KFK_PROTOCOL_UNSUPPORTED_VERSION' }),
  )
})
