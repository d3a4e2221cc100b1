// Our producer and consumer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { nowUs, planLoad } from '../open-loop.mjs'
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

/** Reads until `records` have come; answers when the first and the last came. */
async function read(consumer, { records, valueBytes }) {
  let seen = 0
  let bytes = 0
  let firstUs
  for await (const batch of consumer.batches({ maxRecords: 10_000 })) {
    firstUs ??= nowUs()
    bytes += countBytes(batch.records)
    seen += batch.records.length
    if (seen >= records) break
  }
  if (bytes < records * valueBytes) throw new Error(`${bytes} bytes of ${records} records`)
  return { firstUs, lastUs: nowUs() }
}

async function warmConsumer({ address, warmTopic, warmRecords, valueBytes }) {
  if (!(warmRecords > 0)) return
  const consumer = createConsumer({ brokers: address, topics: [warmTopic], from: 'earliest' })
  await read(consumer, { records: warmRecords, valueBytes })
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

/** Records so old may still wait in the producer's buffer while their value's memory is used again. */
const ringSize = 1 << 16
const pacer = fileURLToPath(new URL('pacer.mjs', import.meta.url))

/**
 * Sends at a fixed rate whatever comes back. Values begin with the time at which they were due;
 * during the first `warmSeconds` with 0.
 */
async function pacedProduce(job) {
  const plan = planLoad({ ratePerSecond: job.rate, seconds: job.warmSeconds + job.seconds })
  const producer = producerOf(job)
  const ring = Buffer.alloc(ringSize * job.valueBytes, 1)
  const slots = Array.from({ length: Math.min(ringSize, plan.records) }, (_, at) =>
    ring.subarray(at * job.valueBytes, (at + 1) * job.valueBytes),
  )
  await producer.send(job.topic, { value: Buffer.alloc(job.valueBytes) })
  return async () => {
    const ticks = spawn(process.execPath, [pacer, String(plan.tickUs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(ticks.stdout, 'data')
    const startUs = nowUs()
    const warmUs = job.warmSeconds * 1e6
    let sent = 0
    const sendDue = async () => {
      // What falls due meanwhile is for the next tick: the client needs its turns of the event loop.
      for (const due = plan.dueBy(nowUs() - startUs); sent < due;) {
        const value = slots[sent % slots.length]
        const dueUs = plan.dueUs(sent++)
        // A system at rest has no queue to hide: there the clock starts when the record is sent.
        value.writeDoubleBE(dueUs < warmUs ? 0 : job.idle ? nowUs() : startUs + dueUs, 0)
        if (!producer.post(job.topic, { value })) await producer.ready
      }
    }
    let sending = Promise.resolve()
    let busy = false
    ticks.stdout.on('data', () => {
      if (busy) return
      busy = true
      sending = sendDue().finally(() => (busy = false))
    })
    while (sent < plan.records) await once(ticks.stdout, 'data')
    await sending
    ticks.kill()
    await producer.flush()
    return { records: sent, seconds: (nowUs() - startUs) / 1e6 }
  }
}

async function pacedConsume(job) {
  const plan = planLoad({ ratePerSecond: job.rate, seconds: job.warmSeconds + job.seconds })
  // One more, with which the producer has connected.
  const records = plan.records + 1
  const consumer = createConsumer({ brokers: job.address, topics: [job.topic], from: 'earliest' })
  await consumer.start()
  const { build } = await import('hdr-histogram-js')
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 6e8 })
  return async () => {
    let seen = 0
    for await (const batch of consumer.batches({ maxRecords: 10_000 })) {
      const atUs = nowUs()
      for (const { value } of batch.records) {
        const dueUs = new DataView(value.buffer, value.byteOffset, 8).getFloat64(0)
        if (dueUs > 0) histogram.recordValue(Math.max(1, Math.round(atUs - dueUs)))
      }
      seen += batch.records.length
      if (seen >= records) break
    }
    const at = (percentile) => histogram.getValueAtPercentile(percentile)
    const max = histogram.maxValue
    return { records: seen, p50Us: at(50), p99Us: at(99), p999Us: at(99.9), maxUs: max }
  }
}

export const roles = { produce, consume, pacedProduce, pacedConsume }
