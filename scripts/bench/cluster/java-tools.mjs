// Kafka's own ProducerPerformance and ConsumerPerformance, as a client: one JVM that has run the tool once, so that what is
// measured is warm.
import path from 'node:path'
import { root } from '../../lib/project.mjs'
import { kafkaClassPath } from './brokers.mjs'
import { startChild } from './child.mjs'
import { usedBetween } from './proc.mjs'

const runTools = path.join(root, 'packages/testing/fixtures/kafka/RunTools.java')
const jvm = ['-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
const commandLine = (words) =>
  words.map((word) => Buffer.from(String(word), 'utf8').toString('base64')).join(' ')

function produceCommand(job, topic, records) {
  const properties = [
    `bootstrap.servers=${job.address}`,
    `acks=${job.acks}`,
    `compression.type=${job.codec ?? 'none'}`,
    `max.request.size=${Math.max(1 << 20, job.valueBytes * 2)}`,
  ]
  return [
    ...['', 'org.apache.kafka.tools.ProducerPerformance', '--topic', topic],
    ...['--num-records', records, '--record-size', job.valueBytes, '--throughput', -1],
    ...['--command-property', ...properties],
  ]
}

const consumeCommand = (job, topic, records) => [
  ...['', 'org.apache.kafka.tools.ConsumerPerformance', '--bootstrap-server', job.address],
  ...['--topic', topic, '--num-records', records, '--timeout', 30_000, '--hide-header'],
]

/** The last line that ProducerPerformance prints, which is over all records. */
export function parseProducerPerformance(text) {
  const lines = [...text.matchAll(/(\d+) records sent, ([\d.]+) records\/sec/g)]
  const [, records, rate] = lines.at(-1)
  return { records: Number(records), seconds: Number(records) / Number(rate) }
}

/** Its line of figures: what joining the group took is left out, as the tool does in its fetch rate. */
export function parseConsumerPerformance(text) {
  const line = text.split('\n').find((each) => each.split(', ').length === 10)
  const fields = line.split(', ')
  return { records: Number(fields[4]), seconds: Number(fields[7]) / 1000 }
}

export function startJavaTool(job) {
  const args = [...jvm, '-cp', kafkaClassPath, runTools]
  const child = startChild({ name: `java ${job.role}`, file: 'java', args })
  const command = job.role === 'produce' ? produceCommand : consumeCommand
  const parse = job.role === 'produce' ? parseProducerPerformance : parseConsumerPerformance
  const call = async (topic, records) => {
    child.say(commandLine(command(job, topic, records)))
    const [text, status] = await child.waitFor(/[^]*?#exit \d+ (\d+)/)
    if (status !== '0') throw new Error(`${child.name}: ${text.slice(-2000)}`)
    return text
  }
  return {
    name: child.name,
    async ready() {
      await child.waitFor(/#ready/)
      await call(job.warmTopic, job.warmRecords)
    },
    async run() {
      const before = child.usage()
      const text = await call(job.topic, job.records)
      return { ...parse(text), used: usedBetween(before, child.usage()) }
    },
    usage: child.usage,
    end: child.end,
    stop: child.stop,
  }
}
