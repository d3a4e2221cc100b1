import { EpochDriver } from './epoch-driver.js'
import { GroupDriver, type GroupDriverOptions } from './group-driver.js'
import type { GroupMembership } from './group-membership.js'

/** A membership by the protocol that the settings name. */
export function membershipFor(options: GroupDriverOptions): GroupMembership {
  switch (options.settings.protocol) {
    case 'classic':
      return new GroupDriver(options)
    case 'consumer':
      return new EpochDriver({ ...options, declined: (error) => options.hooks.failed(error) })
    case 'auto':
      return new ChosenMembership(options)
  }
}

/**
 * By the consumer protocol, unless the broker does not serve it or the group has members of the
 * classic one: then by that.
 */
class ChosenMembership implements GroupMembership {
  #inner: GroupMembership

  constructor(options: GroupDriverOptions) {
    this.#inner = new EpochDriver({
      ...options,
      declined: (error) => {
        const { client, group } = options
        client.logger.info('the group is joined by the classic protocol', { group, error })
        this.#inner = new GroupDriver(options)
        this.#inner.start()
      },
    })
  }

  get memberId(): string {
    return this.#inner.memberId
  }

  get generation(): number {
    return this.#inner.generation
  }

  get joining(): boolean {
    return this.#inner.joining
  }

  start(): void {
    this.#inner.start()
  }

  committed(errorCode: number, generation: number): void {
    this.#inner.committed(errorCode, generation)
  }

  leave(): Promise<void> {
    return this.#inner.leave()
  }

  destroy(): void {
    this.#inner.destroy()
  }
}
