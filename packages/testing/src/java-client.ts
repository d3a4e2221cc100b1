/** Kafka's own producer, consumer and admin in one JVM, for tests that compare records. */
import { startProcess } from './child.js'
import { warmKafka } from './warm-kafka.js'

/** Bytes in base64. */
export interface JavaRecord {
  readonly topic: string
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

/**
 * A record to be sent to partition 0, or what to do between records; `vanish` ends the producer
 * with its transaction open.
 */
export type JavaStep =
  | 'flush'
  | 'begin'
  | 'commit'
  | 'abort'
  | 'vanish'
  | {
      readonly topic: string
      readonly key: string | null
      readonly value: string | null
      /** Absent: the producer's clock. */
      readonly timestamp?: number
      readonly headers?: readonly { readonly key: string; readonly value: string | null }[]
    }

export interface JavaPlace {
  readonly offset: number
  readonly timestamp: number
}

/** What ListOffsets answered for `asked`. */
export interface JavaFound extends JavaPlace {
  readonly topic: string
  readonly asked: number
}

/** Topics have one partition. Every call is rejected with what the client threw. */
export interface JavaClient {
  createTopics(topics: Readonly<Record<string, Readonly<Record<string, string>>>>): Promise<void>
  /** One producer; answers where each record went, in the order of sending. */
  produce(
    steps: readonly JavaStep[],
    config?: Readonly<Record<string, string>>,
  ): Promise<readonly JavaPlace[]>
  /** All records of the topics, each topic's in order. */
  consume(
    topics: readonly string[],
    config?: Readonly<Record<string, string>>,
  ): Promise<readonly JavaRecord[]>
  /** ListOffsets; -1: latest, -2: earliest, -3: that of the largest timestamp. */
  offsetsFor(
    topics: readonly string[],
    timestamps: readonly number[],
  ): Promise<readonly JavaFound[]>
  deleteRecords(topic: string, before: number): Promise<void>
  stop(): Promise<void>
}

/** Starts the JVM; `bootstrap` is asked at each call, for brokers that come and go. */
export async function startJavaClient(bootstrap: () => string): Promise<JavaClient> {
  const java = startProcess('java', [...(await warmKafka()).tools, 'Records'])
  await java.waitFor(/^#ready$/m, 60_000)
  let queue: Promise<unknown> = Promise.resolve()
  let number = 0
  const runNow = async (command: { config?: Readonly<Record<string, string>> }) => {
    const config = { 'bootstrap.servers': bootstrap(), ...command.config }
    java.child.stdin!.write(`${JSON.stringify({ ...command, config })}\n`)
    number += 1
    const match = await java.waitFor(new RegExp(`^#answer ${number} (.*) #end\n`, 'm'), 60_000)
    const answer = JSON.parse(match[1]!) as { error?: string; result: never[] }
    if (answer.error !== undefined)
      throw new Error(`${answer.error}\n${java.output().slice(-4000)}`)
    return answer.result
  }
  const run = <Result>(command: object): Promise<readonly Result[]> => {
    const result = queue.then(() => runNow(command))
    queue = result.catch(() => undefined)
    return result
  }
  return {
    createTopics: async (topics) => void (await run({ do: 'create', topics })),
    produce: (steps, config) => run({ do: 'produce', steps, config }),
    consume: (topics, config) => run({ do: 'consume', topics, config }),
    offsetsFor: (topics, timestamps) => run({ do: 'times', topics, timestamps }),
    deleteRecords: async (topic, before) =>
      void (await run({ do: 'delete-records', topic, before })),
    stop: async () => {
      await java.stop('SIGKILL')
    },
  }
}
