import { connect, type Socket } from 'node:net'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { apis, encodeRecordBatch, kafkaCodec } from '@kfk/protocol'
import type { Api, RecordBatchOptions, RequestInput, ResponseOf } from '@kfk/protocol'
import { createBroker, type Broker, type BrokerOptions } from '../src/index.js'

/** Brokers, connections and directories of one test file, all gone after each test. */
export class Harness {
  readonly #cleanUp: (() => Promise<unknown> | void)[] = []

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'kfk-broker-'))
    this.#cleanUp.push(() => rm(path, { recursive: true, force: true }))
    return path
  }

  async broker(options: BrokerOptions = {}): Promise<Broker> {
    const dataDir = options.dataDir ?? (await this.directory())
    const broker = await createBroker({ port: 0, ...options, dataDir })
    this.#cleanUp.push(() => broker.close())
    return broker
  }

  /**
   * What a crash would leave of a data directory: a copy of its files as they are now, without the
   * locks.
   */
  async crashed(dataDir: string): Promise<string> {
    const copy = await this.directory()
    await cp(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith('.lock') })
    return copy
  }

  async client(broker: { host: string; port: number }): Promise<RawClient> {
    const client = await RawClient.connect(broker)
    this.#cleanUp.push(() => client.close())
    return client
  }

  async close(): Promise<void> {
    for (const step of this.#cleanUp.splice(0).reverse()) await step()
  }
}

/** A client that writes and reads frames, and leaves everything else to the test. */
export class RawClient {
  readonly #socket: Socket
  readonly #frames: Uint8Array[] = []
  readonly #decoder = kafkaCodec.createFrameDecoder({ maxFrameBytes: 200 * 1024 * 1024 })
  #wake: () => void = () => undefined
  #correlationId = 0
  closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(...this.#decoder.push(chunk))
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  static connect(address: { host: string; port: number }): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RawClient(socket)))
    })
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Sends a request; its response is the next one that `receive` gives. */
  send<A extends Api>(api: A, apiVersion: number, body: RequestInput<A>): number {
    const correlationId = ++this.#correlationId
    const header = { apiVersion, correlationId, clientId: 'raw' }
    this.write(Buffer.concat(kafkaCodec.encodeRequest(api, header, body)))
    return correlationId
  }

  async receive(): Promise<Uint8Array> {
    while (this.#frames.length === 0) {
      if (this.closed) throw new Error('the broker closed the connection')
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return this.#frames.shift()!
  }

  async request<A extends Api>(
    api: A,
    apiVersion: number,
    body: RequestInput<A>,
  ): Promise<ResponseOf<A>> {
    const correlationId = this.send(api, apiVersion, body)
    const frame = await this.receive()
    if (kafkaCodec.peekCorrelationId(frame) !== correlationId) throw new Error('out of order')
    return kafkaCodec.decodeResponse(api, apiVersion, frame)
  }

  /** Resolves when the broker has closed the connection. */
  async untilClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Creates a topic by asking for it, and returns its id. */
  async topic(name: string): Promise<string> {
    const response = await this.request(apis.metadata, 12, {
      topics: [{ name }],
      allowAutoTopicCreation: true,
      includeTopicAuthorizedOperations: false,
    })
    const [topic] = response.topics
    if (topic?.errorCode !== 0) throw new Error(`cannot create ${name}: ${topic?.errorCode}`)
    return topic.topicId
  }

  /** Produces one batch to partition 0 and returns the partition's response. */
  async produce(
    topic: string,
    records: Uint8Array,
    options: { version?: number; acks?: number; topicId?: string; index?: number } = {},
  ) {
    const { version = 9, acks = -1, topicId, index = 0 } = options
    const response = await this.request(apis.produce, version, {
      acks,
      timeoutMs: 30_000,
      topicData: [
        { name: topic, ...(topicId && { topicId }), partitionData: [{ index, records }] },
      ],
    })
    return response.responses[0]!.partitionResponses[0]!
  }

  /** Fetches partition 0 and returns the partition's response. */
  async fetch(
    topic: string,
    fetchOffset: number,
    options: {
      version?: number
      maxWaitMs?: number
      minBytes?: number
      maxBytes?: number
      isolationLevel?: number
    } = {},
  ) {
    const { version = 11, maxWaitMs = 0, minBytes = 1, maxBytes = 1024 * 1024 } = options
    const response = await this.request(apis.fetch, version, {
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: options.isolationLevel ?? 0,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: maxBytes }] }],
      forgottenTopicsData: [],
    })
    return response.responses[0]!.partitions[0]!
  }
}

/** One batch of the given values, from now. */
export function batchOf(values: readonly string[], options: RecordBatchOptions = {}): Uint8Array {
  const timestamp = Date.now()
  return encodeRecordBatch(
    values.map((value) => ({ key: 'k', value, timestamp })),
    options,
  )
}
