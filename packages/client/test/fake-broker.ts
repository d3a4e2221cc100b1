import { apiByKey, apis, decodeRecords, kafkaCodec, readBatchHeader } from '@kfk/protocol'
import type { Api, DecodedRecord, RequestOf, ResponseInput, WireCodec } from '@kfk/protocol'
import type { BrokerAddress } from '../src/address.js'
import type { Transport, TransportConnection } from '../src/transport.js'

/** One request as the fake cluster sees it. */
export interface FakeRequest {
  readonly api: Api
  readonly apiVersion: number
  readonly nodeId: number
  readonly connectionId: number
  readonly body: unknown
}

/**
 * What happens to a request instead of the usual answer: `drop` closes the connection before
 * anything is done, `sever` does it and closes without an answer, `hang` never answers, `respond`
 * answers with this body.
 */
export type Fault = 'drop' | 'sever' | 'hang' | { readonly respond: unknown }

export interface FakeTopic {
  readonly id: string
  readonly partitions: FakePartition[]
}

export interface AppendedBatch {
  readonly baseOffset: number
  readonly bytes: Uint8Array
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

export class FakePartition {
  leaderId: number
  leaderEpoch = 0
  readonly batches: AppendedBatch[] = []
  endOffset = 0
  /** `max.message.bytes`. */
  maxMessageBytes = Infinity

  constructor(leaderId: number) {
    this.leaderId = leaderId
  }

  /** All records in the order of the log. */
  records(): DecodedRecord[] {
    return this.batches.flatMap(({ bytes }) => decodeRecords(bytes, { verifyChecksum: true }))
  }

  values(): string[] {
    return this.records().map(({ value }) => Buffer.from(value ?? []).toString())
  }

  /**
   * The rules of an idempotent log: repeated batches are recognised, holes and old epochs refused.
   */
  append(bytes: Uint8Array): { errorCode: number; baseOffset: number } {
    const header = readBatchHeader(bytes)
    const { producerId, producerEpoch, baseSequence, recordCount } = header
    if (bytes.length > this.maxMessageBytes) return { errorCode: 10, baseOffset: -1 }
    if (producerId >= 0n) {
      const own = this.batches.filter((batch) => batch.producerId === producerId)
      const last = own.at(-1)
      if (last !== undefined && producerEpoch < last.producerEpoch) {
        return { errorCode: 47, baseOffset: -1 }
      }
      const same = own.find(
        (batch) => batch.producerEpoch === producerEpoch && batch.baseSequence === baseSequence,
      )
      if (same !== undefined) return { errorCode: 0, baseOffset: same.baseOffset }
      const expected =
        last === undefined || producerEpoch > last.producerEpoch
          ? 0
          : (last.baseSequence + last.recordCount) & 0x7fffffff
      if (baseSequence !== expected) return { errorCode: 45, baseOffset: -1 }
    }
    const baseOffset = this.endOffset
    const copy = Uint8Array.from(bytes)
    new DataView(copy.buffer).setBigInt64(0, BigInt(baseOffset))
    this.batches.push({
      baseOffset,
      bytes: copy,
      producerId,
      producerEpoch,
      baseSequence,
      recordCount,
    })
    this.endOffset += recordCount
    return { errorCode: 0, baseOffset }
  }
}

export interface FakeClusterOptions {
  /** Default 1. Node ids are 1, 2, ... at 127.0.0.1:9001, 9002, ... */
  readonly brokers?: number
  readonly topics?: Readonly<Record<string, number>>
  /** Versions offered, by API name, instead of the schema's. */
  readonly versions?: Readonly<Record<string, readonly [number, number]>>
  readonly autoCreate?: boolean
  /**
   * The newest ApiVersions request that is understood; newer ones get the version-0 answer with
   * error 35.
   */
  readonly apiVersionsMax?: number
}

type Responder = (request: FakeRequest, body: never) => unknown

/** A cluster in memory that speaks the real protocol over an in-memory transport. */
export class FakeCluster {
  readonly topics = new Map<string, FakeTopic>()
  readonly requests: FakeRequest[] = []
  /** Decides on a fault for each request; the last resort of a script. */
  fault: (request: FakeRequest) => Fault | undefined = () => undefined
  /** Answers by API key; replace them to script a broker. */
  readonly responders = new Map<number, Responder>()
  /** Node ids that refuse connections. */
  readonly down = new Set<number>()
  readonly transport: Transport
  readonly brokers: string[]
  connectionsOpened = 0
  readonly #options: FakeClusterOptions
  readonly #open = new Set<FakeStream>()
  #nextTopicId = 1
  #nextProducerId = 1000n

  constructor(options: FakeClusterOptions = {}) {
    this.#options = options
    const count = options.brokers ?? 1
    this.brokers = Array.from({ length: count }, (_, at) => `127.0.0.1:${9001 + at}`)
    for (const [name, partitions] of Object.entries(options.topics ?? {})) {
      this.createTopic(name, partitions)
    }
    this.transport = { connect: (address) => this.#connect(address) }
    this.#respond(apis.apiVersions, () => this.#apiVersions())
    this.#respond(apis.metadata, (_request, body) => this.#metadata(body))
    this.#respond(apis.initProducerId, () => {
      this.#nextProducerId += 1n
      return { throttleTimeMs: 0, errorCode: 0, producerId: this.#nextProducerId, producerEpoch: 0 }
    })
    this.#respond(apis.produce, (request, body) => this.#produce(request, body))
    this.#respond(apis.findCoordinator, (request, body) => {
      const address = { nodeId: 1, host: '127.0.0.1', port: 9001, errorCode: 0, errorMessage: null }
      if (request.apiVersion < 4) return address
      return { coordinators: body.coordinatorKeys.map((key) => ({ key, ...address })) }
    })
  }

  createTopic(name: string, partitions: number): FakeTopic {
    const id = Buffer.alloc(16, 0)
    id.writeInt32BE(this.#nextTopicId, 12)
    this.#nextTopicId += 1
    const topic = {
      id: id.toString('base64url'),
      partitions: Array.from(
        { length: partitions },
        (_, at) => new FakePartition((at % this.brokers.length) + 1),
      ),
    }
    this.topics.set(name, topic)
    return topic
  }

  partition(topic: string, index: number): FakePartition {
    return this.topics.get(topic)!.partitions[index]!
  }

  /** Requests of one API so far. */
  requestsOf(api: Api): FakeRequest[] {
    return this.requests.filter((request) => request.api.key === api.key)
  }

  /** Replaces the answer to an API. */
  respond<A extends Api>(
    api: A,
    responder: (
      request: FakeRequest,
      body: RequestOf<A>,
    ) => ResponseInput<A> | Promise<ResponseInput<A>>,
  ): void {
    this.#respond(api, responder)
  }

  /** Cuts every open connection. */
  disconnectAll(): void {
    for (const stream of [...this.#open]) stream.cut()
  }

  #respond<A extends Api>(
    api: A,
    responder: (
      request: FakeRequest,
      body: RequestOf<A>,
    ) => ResponseInput<A> | Promise<ResponseInput<A>> | undefined,
  ): void {
    this.responders.set(api.key, responder)
  }

  async #connect(address: BrokerAddress): Promise<TransportConnection> {
    const nodeId = address.port - 9000
    await Promise.resolve()
    if (this.down.has(nodeId) || nodeId < 1 || nodeId > this.brokers.length) {
      throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    }
    this.connectionsOpened += 1
    const connectionId = this.connectionsOpened
    const stream = new FakeStream({
      answer: (frame) => this.#handle(frame, { nodeId, connectionId }),
      onEnd: () => this.#open.delete(stream),
    })
    this.#open.add(stream)
    return stream
  }

  #handle(
    frame: Uint8Array,
    at: { nodeId: number; connectionId: number },
  ): Answer | Promise<Answer> {
    const header = kafkaCodec.decodeRequestHeader(frame)
    const api = apiByKey.get(header.apiKey)!
    const { apiVersion, correlationId } = header
    const newest = this.#options.apiVersionsMax ?? apis.apiVersions.versions[1]
    if (api.key === apis.apiVersions.key && apiVersion > newest) {
      const { min, max } = { min: 0, max: newest }
      return kafkaCodec.encodeResponse(apis.apiVersions, 0, correlationId, {
        errorCode: 35,
        apiKeys: [{ apiKey: api.key, minVersion: min, maxVersion: max }],
      })
    }
    const body = kafkaCodec.decodeRequest(api, apiVersion, frame, header.bodyPosition)
    const request: FakeRequest = { api, apiVersion, ...at, body }
    this.requests.push(request)
    const fault = this.fault(request)
    if (fault === 'drop') return 'close'
    if (fault === 'hang') return undefined
    const response =
      typeof fault === 'object'
        ? fault.respond
        : this.responders.get(api.key)!(request, body as never)
    if (fault === 'sever') return 'close'
    const encode = (body: unknown): Answer =>
      body === undefined
        ? undefined
        : kafkaCodec.encodeResponse(api, apiVersion, correlationId, body as never)
    return response instanceof Promise ? response.then(encode) : encode(response)
  }

  #apiVersions(): ResponseInput<typeof apis.apiVersions> {
    const { versions = {}, apiVersionsMax } = this.#options
    return {
      errorCode: 0,
      apiKeys: [...apiByKey.values()].flatMap((api) => {
        const [min, max] = versions[api.name] ?? api.versions
        const maxVersion = api.key === 18 ? (apiVersionsMax ?? max) : max
        return max < 0 ? [] : [{ apiKey: api.key, minVersion: min, maxVersion }]
      }),
    }
  }

  #metadata(body: RequestOf<typeof apis.metadata>): ResponseInput<typeof apis.metadata> {
    const asked =
      body.topics === null
        ? [...this.topics.keys()].map((name) => ({ name, topicId: this.topics.get(name)!.id }))
        : body.topics
    return {
      brokers: this.brokers.map((_, at) => ({
        nodeId: at + 1,
        host: '127.0.0.1',
        port: 9001 + at,
        rack: null,
      })),
      clusterId: 'fake',
      controllerId: 1,
      topics: asked.map(({ name, topicId }) => this.#describe(name, topicId, body)),
    }
  }

  #describe(
    askedName: string | null,
    askedId: string,
    { allowAutoTopicCreation }: { allowAutoTopicCreation: boolean },
  ) {
    const name = askedName ?? [...this.topics].find(([, { id }]) => id === askedId)?.[0] ?? null
    if (name === null) return { errorCode: 100, name, topicId: askedId, partitions: [] }
    const known = this.topics.get(name)
    if (known === undefined) {
      if (this.#options.autoCreate === true && allowAutoTopicCreation) this.createTopic(name, 1)
      return { errorCode: 3, name, partitions: [] }
    }
    return {
      errorCode: 0,
      name,
      topicId: known.id,
      isInternal: name.startsWith('__'),
      partitions: known.partitions.map(({ leaderId, leaderEpoch }, partitionIndex) => ({
        errorCode: leaderId < 0 ? 5 : 0,
        partitionIndex,
        leaderId,
        leaderEpoch,
        replicaNodes: [leaderId],
        isrNodes: [leaderId],
      })),
    }
  }

  #produce(
    request: FakeRequest,
    body: RequestOf<typeof apis.produce>,
  ): ResponseInput<typeof apis.produce> | undefined {
    const responses = body.topicData.map(({ name, topicId, partitionData }) => {
      const topic =
        request.apiVersion >= 13
          ? [...this.topics.values()].find(({ id }) => id === topicId)
          : this.topics.get(name)
      return {
        name,
        topicId,
        partitionResponses: partitionData.map(({ index, records }) => {
          const partition = topic?.partitions[index]
          if (partition === undefined) {
            return { index, errorCode: request.apiVersion >= 13 ? 100 : 3, baseOffset: -1 }
          }
          if (partition.leaderId !== request.nodeId) return { index, errorCode: 6, baseOffset: -1 }
          return { index, ...partition.append(records!) }
        }),
      }
    })
    return body.acks === 0 ? undefined : { responses }
  }
}

/** A response frame, the end of the connection, or silence. */
type Answer = Uint8Array[] | 'close' | undefined

interface FakeStreamOptions {
  readonly answer: (frame: Uint8Array) => Answer | Promise<Answer>
  readonly onEnd: () => void
}

/** The client's end of a connection; answers come in later turns of the event loop, in order. */
class FakeStream implements TransportConnection {
  ondata: (chunk: Uint8Array) => boolean = () => false
  ondrain: () => void = () => {}
  onclose: (error?: Error) => void = () => {}
  readonly #decoder = (kafkaCodec satisfies WireCodec).createFrameDecoder({
    maxFrameBytes: 100 * 1024 * 1024,
  })
  readonly #options: FakeStreamOptions
  #closed = false
  #waiting: Uint8Array[] | undefined

  constructor(options: FakeStreamOptions) {
    this.#options = options
  }

  write(chunks: readonly Uint8Array[]): boolean {
    // A network copies: what is changed after the write must not change what arrives.
    const bytes = Buffer.concat(chunks)
    setImmediate(() => {
      for (const frame of this.#closed ? [] : this.#decoder.push(bytes)) this.#receive(frame)
    })
    return true
  }

  pause(): void {}

  resume(): void {}

  close(): void {
    this.cut()
  }

  cut(): void {
    if (this.#closed) return
    this.#closed = true
    this.#options.onEnd()
    setImmediate(() => this.onclose())
  }

  #receive(frame: Uint8Array): void {
    if (this.#closed) return
    if (this.#waiting !== undefined) {
      this.#waiting.push(frame)
      return
    }
    const answer = this.#options.answer(frame)
    if (answer instanceof Promise) {
      // A broker answers one request after the other: those behind this one wait.
      this.#waiting = []
      void answer.then((settled) => {
        const waiting = this.#waiting ?? []
        this.#waiting = undefined
        this.#send(settled)
        for (const next of waiting) this.#receive(next)
      })
    } else this.#send(answer)
  }

  #send(answer: Answer): void {
    if (this.#closed) return
    if (answer === 'close') this.cut()
    else if (answer !== undefined) {
      const bytes = Buffer.concat(answer)
      setImmediate(() => {
        if (!this.#closed) this.ondata(bytes)
      })
    }
  }
}
