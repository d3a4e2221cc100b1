/** A real Apache Kafka (one KRaft node) and its tools, from the jars that `.ci/run` fetched. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  freePorts,
  runProcess,
  startProcess,
  type Finished,
  type RunningProcess,
  type RunOptions,
} from './child.js'
import { kafkaJars } from './peers.js'

const classPath = path.join(kafkaJars, '*')
const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
const smallJvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const toolJvm = [...smallJvm, quiet, '-cp', classPath]

export interface JavaKafka {
  /** `127.0.0.1:PORT` */
  readonly bootstrap: string
  readonly port: number
  readonly logDir: string
  /** What it has printed since its last start. */
  output(): string
  /** Ends the process and leaves its data: SIGTERM stops it in good order. */
  halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Starts it again after {@link halt}, on the same port and data; `config` changes some lines. */
  start(config?: Readonly<Record<string, string>>): Promise<void>
  /** Ends it and deletes its data. */
  stop(): Promise<void>
}

/**
 * Starts one node that is controller and broker; `config` adds or replaces lines of
 * server.properties.
 */
export async function startJavaKafka(config: Record<string, string> = {}): Promise<JavaKafka> {
  const [port, controllerPort] = (await freePorts(2)) as [number, number]
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-java-kafka-'))
  const logDir = path.join(dir, 'log')
  const properties: Record<string, string> = {
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
    ...config,
  }
  const file = path.join(dir, 'server.properties')
  const writeProperties = (changes: Readonly<Record<string, string>>): void => {
    const lines = Object.entries({ ...properties, ...changes }).map(
      ([name, value]) => `${name}=${value}\n`,
    )
    fs.writeFileSync(file, lines.join(''))
  }
  writeProperties({})
  const format = ['format', '-t', '4L6g3nShT-eMCtK--X86sw', '-c', file]
  const formatted = await javaTool('kafka.tools.StorageTool', format)
  if (formatted.code !== 0)
    throw new Error(`formatting failed: ${formatted.stdout}${formatted.stderr}`)
  const jvm = ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
  const level = '-Dorg.slf4j.simpleLogger.defaultLogLevel=info'
  const start = async (): Promise<RunningProcess> => {
    const started = startProcess('java', [...jvm, level, '-cp', classPath, 'kafka.Kafka', file])
    await started.waitFor(/Kafka Server started/, 60_000)
    return started
  }
  let broker = await start()
  return {
    bootstrap: `127.0.0.1:${port}`,
    port,
    logDir,
    output: () => broker.output(),
    halt: async (signal) => {
      await broker.stop(signal)
    },
    start: async (changes = {}) => {
      writeProperties(changes)
      broker = await start()
    },
    stop: async () => {
      await broker.stop('SIGKILL')
      fs.rmSync(dir, { recursive: true, force: true })
    },
  }
}

/**
 * Runs one of Kafka's command line tools by its class, such as
 * `org.apache.kafka.tools.TopicCommand`,
 * `org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`,
 * `org.apache.kafka.tools.ConsoleProducer`, `org.apache.kafka.tools.consumer.ConsoleConsumer`,
 * `org.apache.kafka.tools.DumpLogSegments`.
 */
export function javaTool(
  className: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return runProcess('java', [...toolJvm, className, ...args], options)
}

/** Starts such a tool that stays up until it is stopped. */
export function startJavaTool(className: string, args: readonly string[]): RunningProcess {
  return startProcess('java', [...toolJvm, className, ...args])
}
