// Our producer and consumer.
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { nowUs } from '../open-loop.mjs'
import { latenciesOf, pacedSends } from './paced.mjs'
import { countBytes, makeValues } from './values.mjs'

const onPostFailure = (error) => {
  console.error(error)
  process.exit(1)
}

function producerOf({ address, acks, codec, valueBytes }) {
  return createProducer({
    brokers: address,
    acks,
    compression: codec ?? 'none',
    maxRequestBytes: Math.max(1 << 20, valueBytes * 2),
    onPostFailure,
  })
}

async function post(producer, { topic, records, values }) {
  for (let index = 0; index < records; index++) {
    if (!producer.post(topic, { value: values[index & 1023] })) await producer.ready
  }
  await producer.flush()
}

async function produce(job) {
  const values = makeValues(job.valueBytes)
  const producer = producerOf(job)
  // Where the partitions are is asked once, at the first record of a topic; until then records wait in a line.
  await producer.send(job.warmTopic, { value: values[0] })
  await post(producer, { topic: job.warmTopic, records: job.warmRecords, values })
  await producer.send(job.topic, { value: values[0] })
  return async () => {
    const startUs = nowUs()
    await post(producer, { topic: job.topic, records: job.records - 1, values })
    return { records: job.records - 1, seconds: (nowUs() - startUs) / 1e6 }
  }
}

/** Each way to read, until `isEnough` says so of the records and bytes that have come. Every value is touched. */
const ways = {
  async batches(consumer, isEnough) {
    for await (const batch of consumer.batches({ maxRecords: 10_000 })) {
      if (isEnough(batch.records.length, countBytes(batch.records))) return
    }
  },
  async each(consumer, isEnough) {
    for await (const { value } of consumer) if (isEnough(1, value.length)) return
  },
  async callback(consumer, isEnough) {
    const enough = new AbortController()
    const reading = consumer.runBatches(
      (batch) => {
        const { bytes } = batch
        let byteCount = 0
        for (const { valueStart, valueLength } of batch) {
          // A zero would be no value of ours.
          if (bytes[valueStart] !== 0) byteCount += valueLength
        }
        if (isEnough(batch.recordCount, byteCount)) enough.abort()
      },
      { signal: enough.signal },
    )
    await reading.catch((error) => {
      if (!enough.signal.aborted) throw error
    })
  },
}

/** Reads until `records` have come; answers when the first and the last came. */
async function read(consumer, { records, valueBytes, way = 'batches' }) {
  let seen = 0
  let bytes = 0
  let firstUs
  await ways[way](consumer, (recordCount, byteCount) => {
    firstUs ??= nowUs()
    bytes += byteCount
    seen += recordCount
    return seen >= records
  })
  if (bytes < records * valueBytes) throw new Error(`${bytes} bytes of ${records} records`)
  return { firstUs, lastUs: nowUs() }
}

async function warmConsumer({ address, warmTopic, warmRecords, valueBytes, way }) {
  if (!(warmRecords > 0)) return
  const consumer = createConsumer({ brokers: address, topics: [warmTopic], from: 'earliest' })
  await read(consumer, { records: warmRecords, valueBytes, way })
  await consumer.close()
}

async function consume(job) {
  await warmConsumer(job)
  const consumer = createConsumer({ brokers: job.address, topics: [job.topic], from: 'earliest' })
  if (job.live) await consumer.start()
  const passes = job.passes ?? 1
  return async () => {
    const startUs = nowUs()
    let times
    for (let pass = 0; pass < passes; pass++) {
      if (pass > 0) for (const each of consumer.assignment()) consumer.seek(each, 0n)
      times = await read(consumer, job)
    }
    const seconds = (times.lastUs - (job.live ? times.firstUs : startUs)) / 1e6
    return { records: job.records * passes, seconds }
  }
}

async function pacedProduce(job) {
  const producer = producerOf(job)
  return pacedSends(job, {
    send: (value) => producer.send(job.topic, { value }),
    post: (value) => producer.post(job.topic, { value }),
    ready: () => producer.ready,
    flush: () => producer.flush(),
  })
}

async function pacedConsume(job) {
  const latencies = await latenciesOf(job)
  const consumer = createConsumer({ brokers: job.address, topics: [job.topic], from: 'earliest' })
  await consumer.start()
  const reading = (async () => {
    for await (const batch of consumer.batches({ maxRecords: 10_000 })) {
      const atUs = nowUs()
      let done = false
      for (const { value } of batch.records) done = latencies.take(atUs, value)
      if (done) break
    }
  })()
  return async () => {
    await reading
    return latencies.figures()
  }
}

export const roles = { produce, consume, pacedProduce, pacedConsume }
