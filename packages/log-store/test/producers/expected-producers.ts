// What the batches of a log say of their producers, told from all of them each time.
import type { AbortedTransaction } from '../../src/index'
import type { BatchContent } from '../support/producer-batches'

interface Written {
  readonly base: number
  readonly last: number
  readonly content: BatchContent
}

interface Batch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
}

export interface Producer {
  producerId: number
  epoch: number
  coordinatorEpoch: number
  lastTimestamp: number
  transactionFirstOffset: number
  batches: readonly Batch[]
}

export interface Told {
  readonly producers: readonly Producer[]
  readonly aborted: readonly AbortedTransaction[]
  /** First offset and marker of all transactions that have ended. */
  readonly ended: readonly { readonly first: number; readonly marker: number }[]
}

export class ExpectedProducers {
  #written: readonly Written[] = []
  #end = 0

  get end(): number {
    return this.#end
  }

  copy(): ExpectedProducers {
    const copy = new ExpectedProducers()
    copy.#written = this.#written
    copy.#end = this.#end
    return copy
  }

  append(content: BatchContent): void {
    const base = this.#end
    this.#end += content.records.length
    this.#written = [...this.#written, { base, last: this.#end - 1, content }]
  }

  /** The new end, which is between batches. */
  cut(end: number): void {
    this.#written = this.#written.filter(({ last }) => last < end)
    this.#end = end
  }

  /** Everything is gone, and nothing will be before `offset`. */
  restart(offset: number): void {
    this.#written = []
    this.#end = offset
  }

  /** What was told by deleted segments alone has been forgotten. */
  forget(base: number): void {
    this.#written = this.#written.filter((one) => one.base >= base)
  }

  stateOf(producerId: number): { epoch: number; nextSequence: number; open: boolean } {
    const found = this.tell().producers.find((one) => one.producerId === producerId)
    return {
      epoch: found?.epoch ?? 0,
      nextSequence: (found?.batches.at(-1)?.lastSequence ?? -1) + 1,
      open: (found?.transactionFirstOffset ?? -1) >= 0,
    }
  }

  tell(): Told {
    const producers = new Map<number, Producer>()
    const aborted: AbortedTransaction[] = []
    const ended: { first: number; marker: number }[] = []
    const firstOpen = () => {
      const open = [...producers.values()].map((one) => one.transactionFirstOffset)
      return Math.min(...open.filter((first) => first >= 0))
    }
    for (const { base, last, content } of this.#written) {
      const { producer, epoch, sequence, transactional, control, timestamp } = content
      const before = producers.get(producer)
      const known = before?.epoch === epoch ? before.batches : []
      const open = before?.transactionFirstOffset ?? -1
      const lastSequence = sequence + last - base
      producers.set(producer, {
        ...{ producerId: producer, epoch, lastTimestamp: timestamp },
        coordinatorEpoch: control === undefined ? (before?.coordinatorEpoch ?? -1) : 0,
        transactionFirstOffset:
          control !== undefined ? -1 : open < 0 && transactional ? base : open,
        batches:
          control !== undefined
            ? known
            : [
                ...known,
                {
                  ...{ firstSequence: sequence, lastSequence, timestamp },
                  ...{ lastOffset: last, offsetDelta: last - base },
                },
              ].slice(-5),
      })
      if (control === undefined || open < 0) continue
      ended.push({ first: open, marker: base })
      if (control === 'commit') continue
      const others = firstOpen()
      aborted.push({
        ...{ producerId: BigInt(producer), firstOffset: open, lastOffset: base },
        lastStableOffset: others === Infinity ? base + 1 : others,
      })
    }
    const byId = [...producers.values()].sort((a, b) => a.producerId - b.producerId)
    return { producers: byId, aborted, ended }
  }
}
