/** What the first Kafka on a machine leaves to those after it, so that they start fast. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { freePorts, runProcess, startProcess, type RunningProcess } from './child.js'
import {
  briefJvm,
  classPath,
  compiled,
  javaWith,
  madeOnce,
  useArchive,
  writeArchive,
} from './jvm.js'
import { kafkaJars } from './peers.js'

const runTools = path.resolve(__dirname, '../fixtures/kafka/RunTools.java')
const brokerJvm = [
  ...['-Xms256m', '-Xmx512m', ...briefJvm],
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
]
const toolJvm = ['-Xmx256m', ...briefJvm, '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']

interface WarmKafka {
  /** A formatted log directory of a node with the id 1. */
  readonly formatted: string
  /** Flags of a JVM that runs the broker; its main class and the arguments follow. */
  readonly broker: readonly string[]
  /** The same of the tools and clients; fixtures are on its class path. */
  readonly tools: readonly string[]
}

/** Makes it when there is none yet. */
export async function warmKafka(): Promise<WarmKafka> {
  const records = await compiled(runTools.replace('RunTools', 'Records'), kafkaJars)
  const fixtures = [await compiled(runTools, kafkaJars), records]
  const paths = { broker: classPath(kafkaJars), tools: classPath(kafkaJars, ...fixtures) }
  const of = [...javaWith(kafkaJars), ...fixtures, ...brokerJvm, ...toolJvm]
  const dir = await madeOnce('kafka-warm', of, (target) => liveOnce(target, paths))
  return {
    formatted: path.join(dir, 'formatted'),
    broker: [...brokerJvm, ...useArchive(path.join(dir, 'broker.jsa')), ...paths.broker],
    tools: [...toolJvm, ...useArchive(path.join(dir, 'tools.jsa')), ...paths.tools],
  }
}

/** The life of a broker that its tools use. */
async function liveOnce(
  target: string,
  paths: { readonly broker: readonly string[]; readonly tools: readonly string[] },
): Promise<void> {
  fs.mkdirSync(target, { recursive: true })
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-warm-kafka-'))
  const [port, controllerPort] = (await freePorts(2)) as [number, number]
  const logDir = path.join(dir, 'log')
  const file = path.join(dir, 'server.properties')
  writeProperties(file, nodeProperties({ port, controllerPort, logDir }))
  const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', file]
  const formatted = await runProcess('java', [...toolJvm, ...paths.tools, ...format])
  if (formatted.code !== 0)
    throw new Error(`formatting failed: ${formatted.stdout}${formatted.stderr}`)
  fs.cpSync(logDir, path.join(target, 'formatted'), { recursive: true })
  const brokerFlags = [...brokerJvm, writeArchive(path.join(target, 'broker.jsa')), ...paths.broker]
  const toolFlags = [...toolJvm, writeArchive(path.join(target, 'tools.jsa')), ...paths.tools]
  const broker = startProcess('java', [...brokerFlags, 'kafka.Kafka', file])
  const tools = startProcess('java', [...toolFlags, 'RunTools'])
  try {
    await broker.waitFor(/Kafka Server started/)
    await useTools(tools, `127.0.0.1:${port}`)
    // An archive is written at an end in good order.
    await Promise.all([broker.stop('SIGTERM'), tools.stop('SIGTERM')])
  } finally {
    await Promise.all([broker.stop('SIGKILL'), tools.stop('SIGKILL')])
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

async function useTools(tools: RunningProcess, bootstrap: string): Promise<void> {
  const at = ['--bootstrap-server', bootstrap]
  const topic = ['--topic', 'warm']
  const name = 'org.apache.kafka.tools'
  const commands = [
    ['', `${name}.TopicCommand`, ...at, '--create', ...topic],
    ['a\n', `${name}.ConsoleProducer`, ...at, ...topic],
    ...[['', `${name}.consumer.ConsoleConsumer`, ...at, ...topic, '--from-beginning']].map(
      (command) => [...command, '--max-messages', '1', '--group', 'warm'],
    ),
    ['', `${name}.consumer.group.ConsumerGroupCommand`, ...at, '--list'],
  ]
  for (const [index, words] of commands.entries()) {
    const line = words.map((word) => Buffer.from(word, 'utf8').toString('base64')).join(' ')
    tools.child.stdin!.write(`${line}\n`)
    await tools.waitFor(new RegExp(`\n#exit ${index + 1} 0\n`))
  }
}

const clusterId = '4L6g3nShT-eMCtK--X86sw'

/** Of one node that is controller and broker. */
export function nodeProperties(place: {
  readonly port: number
  readonly controllerPort: number
  readonly logDir: string
}): Record<string, string> {
  const { port, controllerPort, logDir } = place
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logDir,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '3',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
  }
}

/** The file that Kafka reads. */
export function writeProperties(file: string, properties: Readonly<Record<string, string>>): void {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  fs.writeFileSync(file, lines.join(''))
}
