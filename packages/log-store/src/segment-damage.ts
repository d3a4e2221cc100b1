/** A place in a sealed segment from which on its bytes are not what was synced. */
export interface SegmentDamage {
  readonly baseOffset: number
  /** End of the last good batch before it. */
  readonly position: number
  /** Offset that was due there. */
  readonly offset: number
  readonly reason: string
  /** Wall clock. */
  readonly foundMs: number
}
