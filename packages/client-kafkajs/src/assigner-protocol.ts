import {
  decodeConsumerAssignment,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
} from '@kfk/protocol'
import type { ISerializer, MemberAssignment, MemberMetadata } from './assigner-api.js'

const noBytes = Buffer.alloc(0)
const firstVersion = 0

/** Programs may leave out what their types want. */
type Encodable<T extends { userData: Buffer }> = Omit<T, 'userData'> & { userData?: Buffer }

function view(bytes: Uint8Array | null): Buffer {
  if (bytes === null) return noBytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** How members say what they want, and how they are told what they have. */
export const AssignerProtocol: {
  MemberMetadata: ISerializer<MemberMetadata>
  MemberAssignment: ISerializer<MemberAssignment>
} = {
  MemberMetadata: {
    encode({ topics, userData = noBytes }: Encodable<MemberMetadata>) {
      return view(encodeConsumerSubscription({ topics, userData }, firstVersion))
    },
    decode(buffer) {
      const { topics, userData } = decodeConsumerSubscription(buffer)
      return { version: buffer.readInt16BE(0), topics: [...topics], userData: view(userData) }
    },
  },
  MemberAssignment: {
    encode({ assignment, userData = noBytes }: Encodable<MemberAssignment>) {
      const assignedPartitions = Object.entries(assignment).map(([topic, partitions]) => ({
        topic,
        partitions,
      }))
      return view(encodeConsumerAssignment({ assignedPartitions, userData }, firstVersion))
    },
    decode(buffer) {
      if (buffer.length === 0) return null
      const { assignedPartitions, userData } = decodeConsumerAssignment(buffer)
      const assignment = assignedPartitions.map(({ topic, partitions }) => [topic, [...partitions]])
      return {
        version: buffer.readInt16BE(0),
        assignment: Object.fromEntries(assignment) as Record<string, number[]>,
        userData: view(userData),
      }
    },
  },
}
