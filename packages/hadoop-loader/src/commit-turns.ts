import type { Split } from './plan.js'

/**
 * Splits of a partition are copied side by side and committed in order: k only when k-1 has been.
 */
export class CommitTurns {
  readonly #last = new Map<string, Promise<boolean>>()

  /** To be called in the order of the offsets. */
  take({ topic, partition }: Split): CommitTurn {
    const name = `${topic}/${partition}`
    const turn = new CommitTurn(this.#last.get(name) ?? Promise.resolve(true))
    this.#last.set(name, turn.ended)
    return turn
  }
}

export class CommitTurn {
  readonly ended: Promise<boolean>
  readonly #before: Promise<boolean>
  #end!: (committed: boolean) => void

  constructor(before: Promise<boolean>) {
    this.#before = before
    this.ended = new Promise((resolve) => (this.#end = resolve))
  }

  /** False when an earlier split of the partition was not committed by us. */
  wait(): Promise<boolean> {
    return this.#before
  }

  end(committed: boolean): void {
    this.#end(committed)
  }
}
