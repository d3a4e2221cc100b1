import { type Api, apis, kafkaCodec, type RequestInput, type ResponseOf } from '@kfk/protocol'
import { eventually } from '../../../src/index'
import type { Step } from './compare'
import { Names, normalise } from './normalise'
import { Wire } from './wire'

/** Ranges of versions by the number of the API. */
export type Advertised = ReadonlyMap<number, readonly [min: number, max: number]>

/** A broker that scenarios are run against. */
export interface Side {
  readonly name: 'kfk' | 'kafka'
  readonly port: number
  readonly advertised: Advertised
}

/** A topic that {@link Peer.topic} has created. */
export interface TestTopic {
  readonly name: string
  readonly id: string
}

export interface TopicOptions {
  /** Default 1. */
  readonly partitions?: number
  readonly configs?: Readonly<Record<string, string>>
}

/** A client id, so that ids that begin with it are the same. */
const clientId = 'differential'

/**
 * One broker as one scenario sees it. What is sent with `send`, `tell` and `bytes` is noted and
 * compared with what the other broker does; `ask` is not.
 */
export class Peer {
  readonly #steps: { name: string; api: string; outcome: unknown }[] = []
  /** Which versions of which APIs were asked for, as `key:version`. */
  readonly covered = new Set<string>()
  readonly #side: Side
  readonly #common: Advertised
  readonly #slug: string
  readonly #wires = new Map<string, Wire>()
  #correlationId = 0
  #settled = 0

  constructor(side: Side, other: Side, scenario: string) {
    this.#side = side
    this.#common = commonVersions(side.advertised, other.advertised)
    this.#slug = scenario.replace(/[^a-zA-Z0-9]+/g, '-')
  }

  /** Versions that both brokers serve, ascending. */
  versions(api: Api): number[] {
    const range = this.#common.get(api.key)
    if (range === undefined) throw new Error(`not both of them serve ${api.name}`)
    return Array.from({ length: range[1] - range[0] + 1 }, (_, at) => range[0] + at)
  }

  /** Numbers of the APIs that both brokers serve. */
  common(): number[] {
    return [...this.#common.keys()].sort((a, b) => a - b)
  }

  /** The newest version that both brokers serve. */
  newest(api: Api): number {
    return this.versions(api).at(-1)!
  }

  /** A name that only this scenario uses, the same on both sides. */
  name(suffix = 'topic'): string {
    return `${this.#slug}-${suffix}`
  }

  /** Sends a request; its answer is compared. Throws when the connection is closed instead. */
  async send<A extends Api>(
    api: A,
    version: number,
    body: RequestInput<A>,
    options: { readonly on?: string; readonly note?: string } = {},
  ): Promise<ResponseOf<A>> {
    const response = await this.attempt(api, version, body, options)
    if (response === undefined) throw new Error(`${api.name} v${version}: closed`)
    return response
  }

  /** {@link send} of what may end the connection: undefined then. */
  async attempt<A extends Api>(
    api: A,
    version: number,
    body: RequestInput<A>,
    options: { readonly on?: string; readonly note?: string } = {},
  ): Promise<ResponseOf<A> | undefined> {
    const { on = 'main', note } = options
    const name = `${api.name} v${version}${note === undefined ? '' : ` (${note})`}`
    return this.#exchange(on, this.#encode(api, version, body), { name, api, version })
  }

  /** Sends a request without an answer, and after it one with: tells whether it was let live. */
  async tell<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<void> {
    const wire = await this.#wire('main')
    wire.write(this.#encode(api, version, body))
    const outcome = await this.ask(apis.apiVersions, 0, {}).then(
      () => 'connected',
      () => 'closed',
    )
    this.note(`after ${api.name} v${version}`, outcome)
  }

  /** Sends bytes as they are; the answer is compared as a message of `as`, or as bytes. */
  async bytes(
    note: string,
    bytes: Uint8Array,
    as?: { readonly api: Api; readonly version: number },
  ): Promise<void> {
    await this.#exchange('bytes', [bytes], { name: note, ...as })
  }

  /** The answer to bytes, not compared; undefined when the connection was closed. */
  async bytesOf<A extends Api>(
    bytes: Uint8Array,
    as: { readonly api: A; readonly version: number },
  ): Promise<ResponseOf<A> | undefined> {
    const wire = await this.#wire('bytes')
    wire.write([bytes])
    const answer = await wire.next()
    return answer === 'closed' ? undefined : kafkaCodec.decodeResponse(as.api, as.version, answer)
  }

  /** Sends a request whose answer is needed and not compared. */
  async ask<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<ResponseOf<A>> {
    const wire = await this.#wire('main')
    wire.write(this.#encode(api, version, body))
    const answer = await wire.next()
    if (answer === 'closed') throw new Error(`${api.name} v${version}: closed`)
    return kafkaCodec.decodeResponse(api, version, answer)
  }

  /** Creates a topic of this scenario's own, and waits until every partition can be used. */
  async topic(suffix = 'topic', options: TopicOptions = {}): Promise<TestTopic> {
    const { partitions = 1, configs = {} } = options
    const name = this.name(suffix)
    const created = await this.ask(apis.createTopics, 7, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
    })
    const { errorCode, errorMessage, topicId } = created.topics[0]!
    if (errorCode !== 0) throw new Error(`${name} was not created: ${errorCode} ${errorMessage}`)
    await this.ready(name, partitions)
    return { name, id: topicId }
  }

  /** Waits until what was changed before this is known to the whole broker. */
  async settled(): Promise<void> {
    await this.topic(`settled-${this.#settled++}`)
  }

  /** The epoch of a partition's leader. */
  async leaderEpoch(topic: TestTopic, partition = 0): Promise<number> {
    const asked = { topics: [{ name: topic.name }], allowAutoTopicCreation: false }
    const { topics } = await this.ask(apis.metadata, 12, asked)
    const found = topics[0]!.partitions.find(({ partitionIndex }) => partitionIndex === partition)
    return found!.leaderEpoch
  }

  /** Waits until every partition of a topic can be used. */
  async ready(name: string, partitions: number): Promise<void> {
    const indexes = Array.from({ length: partitions }, (_, at) => at)
    await eventually(`every partition of ${name} can be used`, async () => {
      const { topics } = await this.ask(apis.listOffsets, 1, {
        replicaId: -1,
        topics: [
          {
            name,
            partitions: indexes.map((partitionIndex) => ({ partitionIndex, timestamp: -1 })),
          },
        ],
      })
      return topics[0]!.partitions.every(({ errorCode }) => errorCode === 0) || undefined
    })
  }

  /** What was asked with `ask` is compared in another way. */
  cover(api: Api, version: number): void {
    this.covered.add(`${api.key}:${version}`)
  }

  /** Says something that must be the same on both sides. */
  note(name: string, outcome: unknown): void {
    this.#steps.push({ name, api: '', outcome })
  }

  /** Ends it, and says why if that was a failure. */
  end(failure?: unknown): void {
    if (failure !== undefined)
      this.note('failed', failure instanceof Error ? failure.message : failure)
    for (const wire of this.#wires.values()) wire.destroy()
  }

  /** What happened, in the order of the requests, as it is compared. */
  steps(): Step[] {
    const names = new Names(this.#side.port)
    return this.#steps.map((step) => ({ ...step, outcome: normalise(step.outcome, names) }))
  }

  #encode<A extends Api>(api: A, apiVersion: number, body: RequestInput<A>): Uint8Array[] {
    const correlationId = ++this.#correlationId
    return kafkaCodec.encodeRequest(api, { apiVersion, correlationId, clientId }, body)
  }

  /** The answer, decoded if it is known how; undefined when the connection was closed. */
  async #exchange<A extends Api>(
    on: string,
    request: readonly Uint8Array[],
    asked: { readonly name: string; readonly api?: A; readonly version?: number },
  ): Promise<ResponseOf<A> | undefined> {
    const { name, api, version = 0 } = asked
    // Its place is that of the request: answers on several connections come as they like.
    const step = { name, api: api?.name ?? '', outcome: 'no answer' as unknown }
    this.#steps.push(step)
    const wire = await this.#wire(on)
    wire.write(request)
    const answer = await wire.next()
    if (api !== undefined) this.covered.add(`${api.key}:${version}`)
    if (answer === 'closed') {
      step.outcome = 'closed'
      return undefined
    }
    if (api === undefined) {
      step.outcome = Buffer.from(answer).toString('hex')
      return undefined
    }
    const response = kafkaCodec.decodeResponse(api, version, answer)
    step.outcome = response
    // What was left out of the decoded message, be it behind its end or an unknown tagged field,
    // is missing when it is encoded again.
    const correlationId = kafkaCodec.peekCorrelationId(answer)
    const again = kafkaCodec.encodeResponse(api, version, correlationId, response as never)
    const unread = answer.length + 4 - Buffer.concat(again).length
    if (unread !== 0) this.note(`${name}: bytes that were not understood`, unread)
    return response
  }

  async #wire(on: string): Promise<Wire> {
    let wire = this.#wires.get(on)
    if (wire === undefined || wire.closed) {
      this.#wires.set(on, (wire = await Wire.open(this.#side.port)))
    }
    return wire
  }
}

function commonVersions(one: Advertised, other: Advertised): Advertised {
  const common = new Map<number, readonly [number, number]>()
  for (const [key, [min, max]] of one) {
    const range = other.get(key)
    if (range === undefined) continue
    common.set(key, [Math.max(min, range[0]), Math.min(max, range[1])])
  }
  return common
}
