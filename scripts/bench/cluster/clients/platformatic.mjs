// @platformatic/kafka.
import { Consumer, Producer } from '@platformatic/kafka'
import { nowUs } from '../open-loop.mjs'
import { timedSends } from './lanes.mjs'

const base = ({ address }) => ({ clientId: 'bench', bootstrapBrokers: [address] })

async function produce(job) {
  const producer = new Producer(base(job))
  return timedSends(job, (topic, acks, values) =>
    producer.send({ acks, messages: values.map((value) => ({ topic, value })) }),
  )
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
