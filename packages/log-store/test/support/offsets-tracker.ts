import type { LogTracker, TrackerSnapshot } from '../../src/index'

/** Remembers the offset of every batch that it was given: what a log holds, told by its tracker. */
export class OffsetsTracker implements LogTracker {
  offsets: number[] = []
  #settled = 0

  get isEmpty(): boolean {
    return this.offsets.length === 0
  }

  restore(snapshot: TrackerSnapshot | undefined): boolean {
    const state = snapshot === undefined ? '[]' : Buffer.from(snapshot.state).toString()
    this.offsets = JSON.parse(state) as number[]
    this.settle()
    return true
  }

  apply(_bytes: Uint8Array, _position: number, batch: { readonly baseOffset: number }): undefined {
    this.offsets.push(batch.baseOffset)
  }

  settle(): void {
    this.#settled = this.offsets.length
  }

  rollBack(): void {
    this.offsets.length = this.#settled
  }

  capture(): () => TrackerSnapshot {
    const state = JSON.stringify(this.offsets)
    return () => ({ state: Buffer.from(state) })
  }

  firstUnstableOffset(): undefined {}

  expire(): void {}
}
