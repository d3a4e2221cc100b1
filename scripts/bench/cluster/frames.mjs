// Requests for the load program in C, encoded once: what it sends is then only bytes.
import fs from 'node:fs'
import { apis, encodeRecordBatch, kafkaCodec } from '@kfk/protocol'
import { makeValues, valueCount } from './clients/values.mjs'

const acksNumber = { all: -1, 1: 1, 0: 0 }
/** A batch as our own producer sends it when it is busy. */
const batchBytes = 64 * 1024
/** What our consumer asks for. */
const partitionMaxBytes = 1 << 20
/** Larger answers do not fit the load program's buffer. */
const maxBytes = 8 << 20
/** Two connections keep the broker at work while an answer is read. */
const fetchConnections = 2

function frameOf(api, apiVersion, body) {
  const header = { apiVersion, correlationId: 0, clientId: 'load' }
  const bytes = Buffer.concat(kafkaCodec.encodeRequest(api, header, body))
  // The codec puts the size in front.
  if (bytes.readInt32BE(0) !== bytes.length - 4) throw new Error('a frame without its size')
  return bytes
}

/** Values of one batch, so that a batch has about `batchBytes`. */
export function recordsPerBatch(valueBytes) {
  return Math.max(1, Math.floor(batchBytes / valueBytes))
}

/** One Produce request for each partition in turn; more than one where values would repeat too soon. */
export function produceFrames({ topic, partitions, valueBytes, acks, codec, perBatch }) {
  const values = makeValues(valueBytes)
  const requests = Math.max(partitions, Math.min(16, Math.ceil(valueCount / perBatch)))
  return Array.from({ length: requests }, (_, request) => {
    const timestamp = Date.now()
    const records = Array.from({ length: perBatch }, (_, at) => ({
      value: values[(request * perBatch + at) % valueCount],
      timestamp,
    }))
    const batch = encodeRecordBatch(records, { compression: codec ?? 'none' })
    return frameOf(apis.produce, 7, {
      acks: acksNumber[acks],
      timeoutMs: 30_000,
      topicData: [
        { name: topic, partitionData: [{ index: request % partitions, records: batch }] },
      ],
    })
  })
}

/** One Fetch request for each connection, its share of the partitions in it. */
export function fetchFrames({ topic, partitions, raw }) {
  const connections = raw ? 1 : Math.min(fetchConnections, partitions)
  return Array.from({ length: connections }, (_, connection) => {
    const own = raw ? [0] : Array.from({ length: partitions }, (_, index) => index)
    return frameOf(apis.fetch, 4, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes,
      topics: [
        {
          topic,
          partitions: own
            .filter((partition) => partition % connections === connection)
            .map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes })),
        },
      ],
    })
  })
}

/** Where the first offset lies in such a frame: 16 bytes a partition end it. */
export function fetchOffsetAt(frame, partitionsInIt) {
  return frame.length - 16 * partitionsInIt + 4
}

/** Writes them one after the other. */
export function writeFrames(file, frames) {
  fs.writeFileSync(file, Buffer.concat(frames))
}
