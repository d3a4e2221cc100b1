import { uninitialized } from './records/plain-view.js'

/** More than a batch has as a rule; what is larger gets memory for itself alone. */
const KEPT_BYTES = 2 * 1024 * 1024
const FIRST_BYTES = 160 * 1024

/** Memory of a synchronous codec, used again by each call: fresh memory costs more than filling. */
export class Workspace {
  private bytes: Uint8Array = new Uint8Array(0)

  /** At least so many bytes, until the next call. */
  atLeast(length: number): Uint8Array {
    if (length <= this.bytes.length) return this.bytes
    const bytes = uninitialized(Math.max(length, FIRST_BYTES))
    if (length <= KEPT_BYTES) this.bytes = bytes
    return bytes
  }
}
