import type { Assignor } from '@kfk/consumer'
import type { CountsBoard } from './counts-board.js'
import type { CountsStore } from './counts-store.js'
import { OnlineMember } from './online-member.js'

export interface OnlineGroupOptions {
  readonly brokers: readonly string[]
  readonly store: CountsStore
  readonly board: CountsBoard
  readonly assignors?: readonly Assignor[]
}

/** The members of the counting group. */
export class OnlineGroup {
  readonly #options: OnlineGroupOptions
  readonly #members: OnlineMember[] = []
  #named = 0

  constructor(options: OnlineGroupOptions) {
    this.#options = options
  }

  join(): OnlineMember {
    this.#named += 1
    const member = new OnlineMember({ ...this.#options, name: `counter-${this.#named}` })
    this.#members.push(member)
    return member
  }

  /** A member that owns partitions dies without a word; another one joins. */
  async killAndReplace(): Promise<{
    killed: OnlineMember
    partitions: number
    joined: OnlineMember
  }> {
    const owners = this.#members.map((member) => member.owns.then(() => member))
    const killed = await Promise.race([...owners, this.failed()])
    const partitions = killed.partitions()
    this.#members.splice(this.#members.indexOf(killed), 1)
    await killed.kill()
    return { killed, partitions, joined: this.join() }
  }

  /** Rejects when any member has failed for good; never resolves. */
  failed(): Promise<never> {
    return new Promise((_resolve, reject) => {
      for (const { done } of this.#members) done.catch(reject)
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }
}
