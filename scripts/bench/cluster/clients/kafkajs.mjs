// kafkajs. It does not batch by itself: five sends of 100 KB at a time, as our own producer has on the wire.
import { Kafka, logLevel } from 'kafkajs'
import { nowUs } from '../open-loop.mjs'
import { countBytes, makeValues } from './values.mjs'

const kafkaOf = ({ address }) => new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
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
        value: values[(first + index) & 1023],
      }))
      await producer.send({ topic, acks: acksNumber[acks], messages })
    }
  }
  await Promise.all([lane(), lane(), lane(), lane(), lane()])
}

async function produce(job) {
  const values = makeValues(job.valueBytes)
  const producer = kafkaOf(job).producer()
  await producer.connect()
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
  const consumer = kafkaOf(job).consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topic: job.topic, fromBeginning: true })
  return async () => {
    let seen = 0
    let bytes = 0
    let joinedUs = nowUs()
    consumer.on(consumer.events.GROUP_JOIN, () => (joinedUs = nowUs()))
    await new Promise((resolve, reject) => {
      const eachBatch = async ({ batch, resolveOffset }) => {
        bytes += countBytes(batch.messages)
        seen += batch.messages.length
        resolveOffset(batch.lastOffset())
        if (seen >= job.records) resolve()
      }
      consumer.run({ eachBatch }).catch(reject)
    })
    if (bytes < job.records * job.valueBytes) throw new Error(`${bytes} bytes`)
    return { records: job.records, seconds: (nowUs() - joinedUs) / 1e6 }
  }
}

export const roles = { produce, consume }
