// @platformatic/kafka: five sends of 100 KB at a time, as our own producer has on the wire.
import { Consumer, Producer } from '@platformatic/kafka'
import { nowUs } from '../open-loop.mjs'
import { makeValues } from './values.mjs'

const base = ({ address }) => ({ clientId: 'bench', bootstrapBrokers: [address] })
const acksNumber = { all: -1, 1: 1, 0: 0 }

async function send(producer, { topic, records, acks, valueBytes, values }) {
  const perSend = Math.max(1, Math.floor(100_000 / valueBytes))
  let next = 0
  const lane = async () => {
    while (next < records) {
      const first = next
      const count = Math.min(perSend, records - first)
      next += count
      const messages = Array.from({ length: count }, (_, index) => ({
        topic,
        value: values[(first + index) & 1023],
      }))
      await producer.send({ acks: acksNumber[acks], messages })
    }
  }
  await Promise.all([lane(), lane(), lane(), lane(), lane()])
}

async function produce(job) {
  const values = makeValues(job.valueBytes)
  const producer = new Producer(base(job))
  await send(producer, { ...job, topic: job.warmTopic, records: job.warmRecords, values })
  await send(producer, { ...job, records: 1, values })
  return async () => {
    const startUs = nowUs()
    await send(producer, { ...job, records: job.records - 1, values })
    return { records: job.records - 1, seconds: (nowUs() - startUs) / 1e6 }
  }
}

/** Joining a group takes its time; reading is what is measured, from then on. */
async function consume(job) {
  const groupId = `bench-${process.pid}-${Math.round(nowUs())}`
  const consumer = new Consumer({ ...base(job), groupId, highWaterMark: 10_000 })
  return async () => {
    const topics = [job.topic]
    let joinedUs = nowUs()
    consumer.on('consumer:group:join', () => (joinedUs = nowUs()))
    const stream = await consumer.consume({ topics, mode: 'earliest', autocommit: false })
    let seen = 0
    let bytes = 0
    for await (const { value } of stream) {
      bytes += value.length
      if (++seen >= job.records) break
    }
    if (bytes < job.records * job.valueBytes) throw new Error(`${bytes} bytes`)
    return { records: job.records, seconds: (nowUs() - joinedUs) / 1e6 }
  }
}

export const roles = { produce, consume }
