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
  readonly #onLook: () => void
  readonly #onTurn: (ended: boolean) => void
  #nowMs = 0
  #uses = 0
  #scheduled = false

  /**
   * `onLook` is called with each look at the clock; `onTurn` before the first record of a turn of
   * the event loop, and when that turn has ended.
   */
  constructor(clock: Clock, onLook: () => void, onTurn: (ended: boolean) => void) {
    this.#clock = clock
    this.#onLook = onLook
    this.#onTurn = onTurn
  }

  now(): number {
    if (this.#uses === 0) this.#look()
    this.#uses -= 1
    return this.#nowMs
  }

  /** Takes the time of the last look for one more record; false when another look is due. */
  again(): boolean {
    if (this.#uses === 0) return false
    this.#uses -= 1
    return true
  }

  #look(): void {
    this.#nowMs = this.#clock.now()
    this.#onLook()
    this.#uses = recordsPerLook
    this.#forgetAfterThisTurn()
  }

  #forgetAfterThisTurn(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#onTurn(false)
    setImmediate(() => {
      this.#scheduled = false
      this.#uses = 0
      this.#onLook()
      this.#onTurn(true)
    })
  }
}
