import type { Clock } from '@kfk/client'

/**
 * Records that share one look at the clock; at a million a second they are 32 microseconds apart.
 */
const recordsPerLook = 32

/**
 * Wall time for record timestamps, asked of the machine once for several records of one turn of the
 * event loop.
 */
export class RecordClock {
  readonly #clock: Clock
  #nowMs = 0
  #uses = 0
  #scheduled = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    if (this.#uses === 0) {
      this.#nowMs = this.#clock.now()
      this.#uses = recordsPerLook
      this.#forgetAfterThisTurn()
    }
    this.#uses -= 1
    return this.#nowMs
  }

  #forgetAfterThisTurn(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#uses = 0
    })
  }
}
