import { kafkaError } from '@kfk/client'
import type { Client } from '@kfk/client'
import { apis } from '@kfk/protocol'
import type { IdempotenceState } from './idempotence-state.js'

export interface ProducerIdSourceOptions {
  readonly client: Client
  readonly state: IdempotenceState
  readonly signal: AbortSignal
  readonly onGranted: () => void
  /** No producer id can be had; records fail with this. */
  readonly onFailed: (error: unknown) => void
}

/** Without transactions the timeout means nothing; Java sends the largest. */
const noTransactionTimeoutMs = 0x7fffffff

/** Asks for a producer id when there is none, one request at a time, for as long as it may help. */
export class ProducerIdSource {
  readonly #options: ProducerIdSourceOptions
  #asking = false

  constructor(options: ProducerIdSourceOptions) {
    this.#options = options
  }

  request(): void {
    if (this.#asking) return
    this.#asking = true
    const { onGranted, onFailed } = this.#options
    this.#ask()
      .finally(() => (this.#asking = false))
      .then(onGranted, onFailed)
  }

  async #ask(): Promise<void> {
    const { client, state, signal } = this.#options
    await client.retrying(
      async () => {
        const response = await client.request(
          apis.initProducerId,
          { transactionalId: null, transactionTimeoutMs: noTransactionTimeoutMs },
          'any',
          { signal },
        )
        if (response.errorCode !== 0) throw kafkaError(response.errorCode)
        state.granted({ producerId: response.producerId, epoch: response.producerEpoch })
      },
      // Records have their own bound: the delivery timeout.
      { signal, retries: Infinity },
    )
  }
}
