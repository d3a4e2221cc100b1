import type { Change, Watch, WatchOptions } from './coordination.js'

/**
 * Hands changes over in a microtask of their own, so that no listener runs inside a call into the
 * adapter.
 */
export class EmbeddedWatch implements Watch {
  closed = false
  private pending: Change[] = []
  private gapPending = false
  private scheduled = false

  constructor(
    private readonly prefix: string,
    private readonly options: WatchOptions,
    private readonly onClose: () => void,
  ) {
    if (options.signal?.aborted) this.closed = true
    else options.signal?.addEventListener('abort', this.close, { once: true })
  }

  readonly close = (): void => {
    if (this.closed) return
    this.closed = true
    this.options.signal?.removeEventListener('abort', this.close)
    this.onClose()
  }

  push(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.key.startsWith(this.prefix)) this.pending.push(change)
    }
    if (this.pending.length > 0) this.schedule()
  }

  /** What is pending was made before the gap and may be followed by a list, so it goes. */
  gap(): void {
    this.pending = []
    this.gapPending = true
    this.schedule()
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      if (this.closed) return
      if (this.gapPending) {
        this.gapPending = false
        this.options.onGap?.()
      }
      const changes = this.pending
      this.pending = []
      if (changes.length > 0) this.options.onChange(changes)
    })
  }
}
