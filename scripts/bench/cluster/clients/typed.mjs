// Our clients with objects for values, made into bytes and back by the serde that the job names: 'json' or 'msgpack', whose
// structures are shared.
import { defineTopic, json } from '@kfk/client'
import { msgpack, sharedStructures } from '@kfk/client/msgpack'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { nowUs } from '../open-loop.mjs'

/** Activity events of about 150 bytes of JSON. */
const events = Array.from({ length: 1024 }, (_, index) => ({
  userId: 1_000_000 + index,
  action: ['view', 'click', 'search', 'buy'][index % 4],
  page: `/articles/${index}`,
  at: 1_763_700_000_000 + index,
  session: `s-${(index * 7919) % 100_000}`,
  durationMs: (index * 37) % 5000,
  mobile: index % 3 === 0,
}))

function serdeOf({ serde, address }) {
  if (serde === 'json') return json()
  return msgpack({ structures: sharedStructures({ brokers: address }) })
}

async function produce(job) {
  const value = serdeOf(job)
  const producer = createProducer({
    brokers: job.address,
    acks: job.acks,
    onPostFailure(error) {
      console.error(error)
      process.exit(1)
    },
  })
  const post = async (name, records) => {
    const topic = defineTopic(name, { value })
    for (let index = 0; index < records; index++) {
      if (!producer.post(topic, { value: events[index & 1023] })) await producer.ready
    }
    await producer.flush()
  }
  await producer.send(defineTopic(job.topic, { value }), { value: events[0] })
  await post(job.warmTopic, job.warmRecords)
  return async () => {
    const startUs = nowUs()
    await post(job.topic, job.records - 1)
    return { records: job.records - 1, seconds: (nowUs() - startUs) / 1e6 }
  }
}

async function consume(job) {
  const consumer = createConsumer({
    brokers: job.address,
    topics: [defineTopic(job.topic, { value: serdeOf(job) })],
    from: 'earliest',
  })
  await consumer.start()
  return async () => {
    let seen = 0
    let users = 0
    let firstUs
    for await (const batch of consumer.batches({ maxRecords: 10_000 })) {
      firstUs ??= nowUs()
      for (const { value } of batch.records) if (value.userId >= 1_000_000) users++
      seen += batch.records.length
      if (seen >= job.records) break
    }
    if (users !== seen) throw new Error(`${users} events of ${seen} records`)
    return { records: job.records, seconds: (nowUs() - firstUs) / 1e6 }
  }
}

export const roles = { produce, consume }
