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
import { nodeProperties, warmKafka, writeProperties } from './warm-kafka.js'

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
  const properties = { ...nodeProperties({ port, controllerPort, logDir }), ...config }
  const file = path.join(dir, 'server.properties')
  const warm = await warmKafka()
  fs.cpSync(warm.formatted, logDir, { recursive: true })
  const start = async (changes: Readonly<Record<string, string>> = {}): Promise<RunningProcess> => {
    writeProperties(file, { ...properties, ...changes })
    const started = startProcess('java', [...warm.broker, 'kafka.Kafka', file])
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
    start: async (changes) => {
      broker = await start(changes)
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
export async function javaTool(
  className: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return runProcess('java', [...(await warmKafka()).tools, className, ...args], options)
}

/** Starts such a tool that stays up until it is stopped. */
export async function startJavaTool(
  className: string,
  args: readonly string[],
): Promise<RunningProcess> {
  return startProcess('java', [...(await warmKafka()).tools, className, ...args])
}
