import { errorCodes } from '@kfk/protocol'
import type { Sleeper } from '../deadline-queue.js'
import type { OffsetsRecord } from '../group-records.js'
import type { Clock } from '../../runtime/clock.js'
import type { CommittedOffsets } from '../committed-offsets.js'
import type { OffsetsLog } from '../offsets-log.js'
import { ConsumerGroup } from './consumer-group.js'
import type { ConsumerEnvironment } from './targets.js'

/** The shard that a group belongs to. */
export interface ConsumerHost {
  readonly clock: Clock
  readonly log: OffsetsLog
  readonly durable: CommittedOffsets
  /** Called after each step and each write. */
  settleConsumer(live: LiveConsumerGroup): void
}

/**
 * A group of the consumer protocol in the memory of its coordinator: runs the machine over the log
 * of the shard. What a step changes is appended at once, and told only when it is committed.
 */
export class LiveConsumerGroup implements Sleeper {
  wakesAt = Infinity
  machine: ConsumerGroup
  /** Writes that are not committed yet: until then nothing of the group may be told. */
  uncommitted = 0
  /** Written before the next change of the group: what it was before. */
  prelude: readonly OffsetsRecord[] = []

  constructor(
    readonly shard: ConsumerHost,
    readonly id: string,
    readonly environment: ConsumerEnvironment,
  ) {
    this.machine = this.#rebuilt()
  }

  /**
   * Runs one input through the machine and writes what it changes. `answer` is called when that is
   * committed, at once if there is nothing to wait for, or with the error after which nobody may
   * rely on it.
   */
  step<T>(
    input: (machine: ConsumerGroup, now: number) => T,
    answer: (errorCode: number, result: T) => void,
  ): void {
    const result = input(this.machine, this.shard.clock.monotonicMs())
    const failure = this.#write()
    this.shard.settleConsumer(this)
    if (failure !== errorCodes.NONE) answer(failure, result)
    else if (this.uncommitted === 0) answer(errorCodes.NONE, result)
    else this.shard.log.afterAll((code) => answer(code, result))
  }

  wake(now: number): void {
    this.machine.tick(now)
    this.#write()
    this.shard.settleConsumer(this)
  }

  #write(): number {
    const changes = this.machine.drain()
    if (changes.length === 0) return errorCodes.NONE
    const records = changes.map((change) => {
      return { kind: 'consumer' as const, groupId: this.id, ...change }
    })
    const done = (code: number): void => {
      this.uncommitted -= 1
      if (code !== errorCodes.NONE) this.#startOver()
      this.shard.settleConsumer(this)
    }
    this.uncommitted += 1
    const failure = this.shard.log.append([...this.prelude, ...records], done)
    this.prelude = []
    if (failure === errorCodes.NONE) return failure
    this.uncommitted -= 1
    this.#startOver()
    return failure
  }

  /** The memory is ahead of a log that will never have it: back to what is written. */
  #startOver(): void {
    this.machine = this.#rebuilt()
  }

  #rebuilt(): ConsumerGroup {
    const machine = new ConsumerGroup(this.id, this.environment)
    const durable = this.shard.durable.group(this.id)?.consumer
    // Members first: what is assigned to one belongs to it.
    const records = [...(durable?.values() ?? [])]
    for (const record of records) if (record.type === 'member') machine.state.apply(record)
    for (const record of records) if (record.type !== 'member') machine.state.apply(record)
    for (const record of this.shard.log.pending()) {
      if (record.kind === 'consumer' && record.groupId === this.id) machine.state.apply(record)
    }
    machine.begin(this.shard.clock.monotonicMs())
    return machine
  }
}
