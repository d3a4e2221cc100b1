import type { Clock } from './clock.js'

/** Work that is done again and again while a directory is open: one run at a time. */
export class BackgroundTask {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #run: () => Promise<unknown>
  #timer: { cancel(): void } | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  /** `run` handles its own failures. Interval 0: never. */
  constructor(clock: Clock, intervalMs: number, run: () => Promise<unknown>) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#run = run
  }

  /** The first run comes after one interval; the next, one interval after its end. */
  start(): void {
    if (this.#intervalMs === 0 || this.#stopped) return
    this.#timer = this.#clock.setTimer(this.#intervalMs, () => {
      this.#running = this.#run().then(() => this.start())
    })
  }

  /** No further run; resolves when the one under way has ended. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    return this.#running
  }
}
