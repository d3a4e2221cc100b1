/** What a queue of effects needs to know of whoever carries them out. */
export interface EffectQueueOptions<Effect> {
  /** `tenure` fires when the membership in whose name it is done is lost. */
  readonly perform: (effect: Effect, tenure: AbortSignal) => Promise<void>
  /** An effect could not be carried out. */
  readonly failed: (error: unknown) => void
}

/** Carries out what a member's state machine wants, one after the other. */
export class EffectQueue<Effect> {
  readonly #options: EffectQueueOptions<Effect>
  #tenure = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: EffectQueueOptions<Effect>) {
    this.#options = options
  }

  /** Nothing more is carried out. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** In the name of the membership that there is now. */
  add(effects: readonly Effect[]): void {
    if (effects.length === 0) return
    const tenure = this.#tenure.signal
    const { perform, failed } = this.#options
    this.#work = this.#work.then(async () => {
      try {
        for (const effect of effects) if (!this.#stopped) await perform(effect, tenure)
      } catch (error) {
        failed(error)
      }
    })
  }

  /** The membership is lost: whoever works in its name is told. */
  endTenure(): void {
    this.#tenure.abort(new Error('the membership was lost'))
    this.#tenure = new AbortController()
  }

  stop(): void {
    this.#stopped = true
  }
}
