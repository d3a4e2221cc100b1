import { EpochMember, type EpochEffect } from '../src/epoch-member.js'
import { groupCode } from '../src/group-errors.js'
import type { TopicPartition } from '../src/index.js'

const t = (...partitions: number[]): TopicPartition[] =>
  partitions.map((partition) => ({ topic: 't', partition }))

function answered(
  member: EpochMember,
  epoch: number,
  assignment: readonly TopicPartition[] | null,
  errorCode = 0,
): EpochEffect[] {
  const sentEpoch = member.epoch
  const answer = { errorCode, errorMessage: null, sentEpoch, epoch, assignment }
  return member.step({ type: 'answered', ...answer })
}

/** A member in epoch 1 that has the partitions. */
function owner(...partitions: number[]): EpochMember {
  const member = new EpochMember()
  member.step({ type: 'start' })
  answered(member, 1, t(...partitions))
  return member
}

const beat = { type: 'beat' }

test('joins, and says that it has what it was given', () => {
  const member = new EpochMember()
  expect(member.step({ type: 'start' })).toEqual([beat])
  expect(answered(member, 1, t(0, 1))).toEqual([{ type: 'assign', partitions: t(0, 1) }, beat])
  expect([member.epoch, member.owned]).toEqual([1, t(0, 1)])
  expect(answered(member, 1, null)).toEqual([])
})

test('gives up before it takes, and owns until it has given up', () => {
  const member = owner(0, 1)
  expect(answered(member, 1, t(1, 2))).toEqual([{ type: 'release', number: 1, partitions: t(0) }])
  expect(member.owned).toEqual(t(0, 1))
  // What comes meanwhile waits.
  expect(answered(member, 2, t(1, 3))).toEqual([])
  expect(member.step({ type: 'released', number: 1 })).toEqual([
    { type: 'assign', partitions: t(3) },
    beat,
  ])
  expect(member.owned).toEqual(t(1, 3))
})

test('says so when it has given up and gets nothing for it', () => {
  const member = owner(0, 1)
  answered(member, 1, t(1))
  expect(member.step({ type: 'released', number: 1 })).toEqual([beat])
  expect(member.owned).toEqual(t(1))
})

test.each([groupCode.unknownMember, groupCode.fencedMemberEpoch, groupCode.groupIdNotFound])(
  'loses everything and joins again when it is refused with %i',
  (code) => {
    const member = owner(0, 1)
    expect(answered(member, 0, null, code)).toEqual([{ type: 'lose', partitions: t(0, 1) }, beat])
    expect([member.epoch, member.owned]).toEqual([0, []])
    // An answer to what it sent before it was fenced.
    const late = { errorCode: 0, errorMessage: null, sentEpoch: 1, epoch: 1, assignment: t(0) }
    expect(member.step({ type: 'answered', ...late })).toEqual([])
    expect(answered(member, 3, t(1))).toEqual([{ type: 'assign', partitions: t(1) }, beat])
  },
)

test('a release of the membership before counts for nothing', () => {
  const member = owner(0, 1)
  answered(member, 1, t(1))
  answered(member, 0, null, groupCode.unknownMember)
  answered(member, 2, t(0))
  expect(member.step({ type: 'released', number: 1 })).toEqual([])
  expect(member.owned).toEqual(t(0))
})

test('a commit that was fenced is as good as a heartbeat, in its epoch', () => {
  const member = owner(0)
  const heard = (epoch: number, errorCode: number) =>
    member.step({ type: 'heard', epoch, errorCode })
  expect(heard(1, groupCode.staleMemberEpoch)).toEqual([])
  expect(heard(0, groupCode.unknownMember)).toEqual([])
  expect(heard(1, groupCode.unknownMember)).toEqual([{ type: 'lose', partitions: t(0) }, beat])
})

test('declines a group of the other protocol, and fails with what is final', () => {
  const declining = new EpochMember()
  declining.step({ type: 'start' })
  expect(answered(declining, 0, null, groupCode.groupIdNotFound)).toEqual([
    { type: 'decline', errorCode: groupCode.groupIdNotFound },
  ])
  const failing = owner(0)
  expect(answered(failing, 0, null, 82)).toEqual([
    { type: 'lose', partitions: t(0) },
    { type: 'fail', errorCode: 82, message: null },
  ])
  expect(failing.step({ type: 'leave' })).toEqual([])
})

test('leaves if it is known', () => {
  expect(owner(0).step({ type: 'leave' })).toEqual([{ type: 'sendLeave' }])
  expect(new EpochMember().step({ type: 'leave' })).toEqual([])
})
