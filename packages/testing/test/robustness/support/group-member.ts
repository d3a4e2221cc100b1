import { type Client, ClientError, createClient, delay, kafkaError } from '@kfk/client'
import { apis, errorByCode, errorCodes } from '@kfk/protocol'

const protocol = { name: 'any', metadata: new Uint8Array([0]) }

/** A member of a group that does nothing but stay in it, and remembers every generation it saw. */
export class GroupMember {
  readonly generations: number[] = []
  /** Names of the errors that it was told, in order. */
  readonly errors: string[] = []
  readonly #client: Client
  readonly #group: string
  readonly #stopped = new AbortController()
  readonly #running: Promise<void>
  #memberId = ''
  #joined = false

  constructor(brokers: readonly string[], group: string) {
    this.#client = createClient({ brokers, requestTimeoutMs: 10_000 })
    this.#group = group
    this.#running = this.#run()
  }

  get generation(): number {
    return this.generations.at(-1) ?? -1
  }

  /** Whether it is a member of a generation that is complete. */
  get joined(): boolean {
    return this.#joined
  }

  /** Commits in the name of this member; the name of the error, or NONE. */
  async commit(topic: string, partition: number, offset: number): Promise<string> {
    const response = await this.#client.request(
      apis.offsetCommit,
      {
        groupId: this.#group,
        generationIdOrMemberEpoch: this.generation,
        memberId: this.#memberId,
        topics: [
          {
            name: topic,
            partitions: [
              { partitionIndex: partition, committedOffset: offset, committedMetadata: '' },
            ],
          },
        ],
      },
      { group: this.#group },
      { maxVersion: 8 },
    )
    return errorByCode(response.topics[0]!.partitions[0]!.errorCode).name
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#running
    await this.#client.close({ timeoutMs: 100 })
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        await this.#joinAndSync()
        this.#joined = true
        for (;;) {
          await delay(this.#client.clock, 100, signal)
          await this.#heartbeat()
        }
      } catch (error) {
        if (signal.aborted) return
        const name = error instanceof ClientError ? (error.kafkaName ?? error.code) : String(error)
        this.errors.push(name)
        this.#joined = false
        this.#client.invalidateCoordinator(this.#group)
        await delay(this.#client.clock, 50, signal).catch(() => undefined)
      }
    }
  }

  async #joinAndSync(): Promise<void> {
    const { signal } = this.#stopped
    const target = { group: this.#group }
    const join = async () =>
      this.#client.request(
        apis.joinGroup,
        {
          groupId: this.#group,
          sessionTimeoutMs: 20_000,
          rebalanceTimeoutMs: 20_000,
          memberId: this.#memberId,
          protocolType: 'consumer',
          protocols: [protocol],
        },
        target,
        { signal },
      )
    let joined = await join()
    if (joined.errorCode === errorCodes.MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId
      joined = await join()
    }
    this.#check(joined.errorCode)
    this.#memberId = joined.memberId
    const leads = joined.leader === joined.memberId
    const assignments = leads
      ? joined.members.map(({ memberId }) => ({ memberId, assignment: Buffer.from(memberId) }))
      : []
    const synced = await this.#client.request(
      apis.syncGroup,
      {
        groupId: this.#group,
        generationId: joined.generationId,
        memberId: this.#memberId,
        protocolType: 'consumer',
        protocolName: protocol.name,
        assignments,
      },
      target,
      { signal },
    )
    this.#check(synced.errorCode)
    this.generations.push(joined.generationId)
  }

  async #heartbeat(): Promise<void> {
    const answer = await this.#client.request(
      apis.heartbeat,
      { groupId: this.#group, generationId: this.generation, memberId: this.#memberId },
      { group: this.#group },
      { signal: this.#stopped.signal },
    )
    this.#check(answer.errorCode)
  }

  #check(errorCode: number): void {
    if (errorCode === errorCodes.NONE) return
    if (errorCode === errorCodes.UNKNOWN_MEMBER_ID) this.#memberId = ''
    throw kafkaError(errorCode)
  }
}
