import { ProtocolError } from './errors.js'

const MAX_INT32 = 0x7fffffff

/**
 * Messages share slabs of this size: a Fetch or Metadata response without its records mostly fits.
 */
const SLAB_BYTES = 64 * 1024

/**
 * Byte fields from this size on become chunks of their own instead of being copied. Measured over a
 * loopback socket: at 256 bytes the copy is twice as fast as one more entry of the vectored write,
 * at 1 KiB they are equal, at 4 KiB the entry is a quarter faster.
 */
const REFERENCE_BYTES = 1024

/**
 * Collects one frame at a time. `begin` starts it, `finish` returns it as chunks. Finished chunks
 * are never written again; an abandoned frame is simply overwritten.
 */
export class FrameBuilder {
  /** Where bytes are written, between `start` of the current chunk and `position`. */
  protected slab: Buffer = Buffer.allocUnsafe(0)
  protected position = 0
  #start = 0
  #chunks: Uint8Array[] = []
  #chunkBytes = 0
  #openTags = 0

  begin(): void {
    this.position = this.#start
    this.#chunks = []
    this.#chunkBytes = 0
    this.#openTags = 0
    this.reserve(4)
  }

  /** Sets the length prefix and hands the frame over. */
  finish(): Uint8Array[] {
    this.#flush()
    const chunks = this.#chunks
    const size = this.#chunkBytes - 4
    const first = chunks[0]!
    if (size > MAX_INT32) {
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'a frame cannot have 2 GiB', {
        details: { size },
      })
    }
    first[0] = size >>> 24
    first[1] = size >>> 16
    first[2] = size >>> 8
    first[3] = size
    this.#chunks = []
    return chunks
  }

  /** Makes room for `length` bytes and returns where they begin; valid until the next `reserve`. */
  reserve(length: number): number {
    if (length > this.slab.length - this.position) this.#grow(length)
    const position = this.position
    this.position = position + length
    return position
  }

  varint(value: number): void {
    let rest = value >>> 0
    let position = this.reserve(1)
    while (rest > 0x7f) {
      this.slab[position] = (rest & 0x7f) | 0x80
      rest >>>= 7
      position = this.reserve(1)
    }
    this.slab[position] = rest
  }

  /** Begins a tagged field; `endTag` takes the returned mark. */
  beginTag(tag: number): number {
    this.varint(tag)
    this.#openTags += 1
    this.reserve(1)
    return this.position - this.#start
  }

  /**
   * Puts the size of the tagged field in front of it: one byte is reserved, rarely more are needed.
   */
  endTag(mark: number): void {
    this.#openTags -= 1
    const size = this.position - this.#start - mark
    let sizeBytes = 1
    for (let rest = size >>> 7; rest > 0; rest >>>= 7) sizeBytes += 1
    if (sizeBytes > 1) {
      this.reserve(sizeBytes - 1)
      const from = this.#start + mark
      this.slab.copyWithin(from + sizeBytes - 1, from, from + size)
    }
    const end = this.position
    this.position = this.#start + mark - 1
    this.varint(size)
    this.position = end
  }

  /** Adds bytes, by reference when they are many. */
  protected append(value: Uint8Array): void {
    // The size of a tagged field is patched in afterwards, for which it must be in one piece.
    if (value.length >= REFERENCE_BYTES && this.#openTags === 0) {
      this.#flush()
      this.#chunks.push(value)
      this.#chunkBytes += value.length
    } else {
      // `reserve` may replace the slab: it has to come first.
      const position = this.reserve(value.length)
      this.slab.set(value, position)
    }
  }

  #flush(): void {
    const length = this.position - this.#start
    if (length === 0) return
    this.#chunks.push(this.slab.subarray(this.#start, this.position))
    this.#chunkBytes += length
    this.#start = this.position
    // A slab made for one large message would be kept alive by the small ones after it.
    if (this.slab.length > SLAB_BYTES) {
      this.slab = Buffer.allocUnsafe(0)
      this.#start = 0
      this.position = 0
    }
  }

  #grow(length: number): void {
    const pending = this.position - this.#start
    const slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, 2 * (pending + length)))
    this.slab.copy(slab, 0, this.#start, this.position)
    this.slab = slab
    this.#start = 0
    this.position = pending
  }
}
