// Clients that do not batch by themselves: five sends of 100 KB at a time, as our own producer has on the wire.
import { nowUs } from '../open-loop.mjs'
import { makeValues, valueCount } from './values.mjs'

const laneCount = 5
const sendBytes = 100_000
const acksNumber = { all: -1, 1: 1, 0: 0 }

/**
 * Warms up, and answers what times the sends of the job's records. `send(topic, acks, values)` resolves when they are
 * acknowledged.
 */
export async function timedSends(
  { topic, warmTopic, warmRecords, records, acks, valueBytes },
  send,
) {
  const values = makeValues(valueBytes)
  const perSend = Math.max(1, Math.floor(sendBytes / valueBytes))
  const sendAll = async (to, total) => {
    let next = 0
    const lane = async () => {
      while (next < total) {
        const first = next
        next += Math.min(perSend, total - first)
        const batch = Array.from(
          { length: next - first },
          (_, index) => values[(first + index) % valueCount],
        )
        await send(to, acksNumber[acks], batch)
      }
    }
    await Promise.all(Array.from({ length: laneCount }, lane))
  }
  await sendAll(warmTopic, warmRecords)
  await sendAll(topic, 1)
  return async () => {
    const startUs = nowUs()
    await sendAll(topic, records - 1)
    return { records: records - 1, seconds: (nowUs() - startUs) / 1e6 }
  }
}
