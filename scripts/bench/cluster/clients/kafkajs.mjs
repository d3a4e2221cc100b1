// kafkajs.
import { Kafka, logLevel } from 'kafkajs'
import { nowUs } from '../open-loop.mjs'
import { timedSends } from './lanes.mjs'
import { countBytes } from './values.mjs'

const kafkaOf = ({ address }) => new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })

async function produce(job) {
  const producer = kafkaOf(job).producer()
  await producer.connect()
  return timedSends(job, (topic, acks, values) =>
    producer.send({ topic, acks, messages: values.map((value) => ({ value })) }),
  )
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
