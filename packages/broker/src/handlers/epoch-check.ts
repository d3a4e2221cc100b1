import { errorCodes } from '@kfk/protocol'
import type { Partition } from '../context.js'

/** No idea of the epoch at all. */
const notGiven = -1

/** NONE when the sender's idea of the leader epoch (-1: none) is right or not given (KIP-320). */
export function checkLeaderEpoch(partition: Partition, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch === notGiven || currentLeaderEpoch === partition.leaderEpoch) {
    return errorCodes.NONE
  }
  return currentLeaderEpoch < partition.leaderEpoch
    ? errorCodes.FENCED_LEADER_EPOCH
    : errorCodes.UNKNOWN_LEADER_EPOCH
}
