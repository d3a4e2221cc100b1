import type { FrameDecoder, FrameDecoderOptions, FrameMemory } from './codec.js'
import { ProtocolError } from './errors.js'
import { asBuffer } from './wire-reader.js'

const PREFIX_BYTES = 4

/** The smallest message of either direction: a correlation id and an error code. */
const MIN_FRAME_BYTES = 6

/**
 * The buffer for an incomplete frame grows by this factor: few copies, and never far beyond what
 * arrived.
 */
const GROWTH = 4

/** A frame for which memory is counted has it for all its bytes up to so many. */
const WHOLE_BYTES = 1024 * 1024

/** Less than this is not worth a read of its own into the frame's buffer. */
const MIN_SPACE_BYTES = 16 * 1024

const EMPTY = Buffer.alloc(0)

/**
 * Cuts a stream into frames of an int32 size and that many bytes. A frame within one chunk is a
 * view of the chunk. Otherwise it is collected in a buffer that grows with the bytes that arrive:
 * the size that a peer claims reserves nothing (200 connections that claimed 100 MB each would).
 */
export function createFrameDecoder(options: FrameDecoderOptions): FrameDecoder {
  return new LengthPrefixedFrames(options)
}

/** A few bytes, whatever they claim, are not worth much memory. */
function ahead(heldBytes: number): number {
  return Math.max(heldBytes * GROWTH, heldBytes < MIN_SPACE_BYTES ? 0 : WHOLE_BYTES)
}

class LengthPrefixedFrames implements FrameDecoder {
  readonly #maxFrameBytes: number
  readonly #memory: FrameMemory | undefined
  /** The incomplete frame with its prefix: the first `#held` bytes of `#pending`. */
  #pending: Buffer = EMPTY
  #held = 0
  #failure: ProtocolError | undefined

  constructor({ maxFrameBytes, memory }: FrameDecoderOptions) {
    this.#maxFrameBytes = maxFrameBytes
    this.#memory = memory
  }

  get bufferedBytes(): number {
    return this.#held
  }

  get reservedBytes(): number {
    return this.#pending.length
  }

  get wantedBytes(): number {
    return Math.max(0, this.#ample() - this.#pending.length)
  }

  reserve(): void {
    const bytes = this.#ample()
    if (bytes > this.#pending.length) this.#enlarge(bytes)
  }

  space(): Uint8Array | undefined {
    if (this.#held < PREFIX_BYTES) return undefined
    const frameEnd = PREFIX_BYTES + this.#size(this.#pending, 0)
    if (frameEnd - this.#held < MIN_SPACE_BYTES) return undefined
    if (this.#memory?.scarce === undefined) {
      this.#reserve(Math.min(frameEnd, this.#held + MIN_SPACE_BYTES))
    } else this.reserve()
    return this.#pending.subarray(this.#held, Math.min(this.#pending.length, frameEnd))
  }

  filled(byteCount: number): Uint8Array | undefined {
    this.#held += byteCount
    return this.#held === PREFIX_BYTES + this.#size(this.#pending, 0) ? this.#take() : undefined
  }

  end(): void {
    this.#drop()
    this.#held = 0
  }

  push(bytes: Uint8Array): Uint8Array[] {
    if (this.#failure) throw this.#failure
    const chunk = asBuffer(bytes)
    const { length } = chunk
    // Requests that wait for their answers come one at a time.
    if (
      this.#held === 0 &&
      length >= PREFIX_BYTES &&
      this.#size(chunk, 0) === length - PREFIX_BYTES
    )
      return [chunk.subarray(PREFIX_BYTES)]
    const frames: Uint8Array[] = []
    let position = this.#held > 0 ? this.#complete(chunk, frames) : 0
    while (chunk.length - position >= PREFIX_BYTES) {
      const end = position + PREFIX_BYTES + this.#size(chunk, position)
      if (end > chunk.length) break
      frames.push(chunk.subarray(position + PREFIX_BYTES, end))
      position = end
    }
    if (position < chunk.length) this.#hold(chunk, position, chunk.length)
    return frames
  }

  /** Adds to the incomplete frame; returns how many bytes of the chunk it took. */
  #complete(chunk: Buffer, frames: Uint8Array[]): number {
    let position = 0
    if (this.#held < PREFIX_BYTES) {
      position = Math.min(PREFIX_BYTES - this.#held, chunk.length)
      this.#hold(chunk, 0, position)
      if (this.#held < PREFIX_BYTES) return position
    }
    const frameEnd = PREFIX_BYTES + this.#size(this.#pending, 0)
    const taken = Math.min(frameEnd - this.#held, chunk.length - position)
    this.#hold(chunk, position, position + taken)
    if (this.#held === frameEnd) frames.push(this.#take())
    return position + taken
  }

  /** The complete frame; nothing is held afterwards. */
  #take(): Uint8Array {
    const frame = this.#pending.subarray(PREFIX_BYTES, this.#held)
    this.#pending = EMPTY
    this.#held = 0
    return frame
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.#held + end - start
    const size = this.#held === 0 && needed >= PREFIX_BYTES ? this.#size(chunk, start) : undefined
    this.#reserve(needed, size)
    chunk.copy(this.#pending, this.#held, start, end)
    this.#held = needed
  }

  /** Makes room for `needed` bytes, and for more of a frame whose size is known. */
  #reserve(needed: number, size?: number): void {
    if (needed <= this.#pending.length) return
    const isNew = size === undefined && this.#held < PREFIX_BYTES
    const frameEnd = isNew ? needed : PREFIX_BYTES + (size ?? this.#size(this.#pending, 0))
    this.#enlarge(
      isNew ? Math.max(needed, 64) : Math.min(frameEnd, this.#roomFor(needed)),
      frameEnd,
    )
  }

  /** Who counts memory gets a whole frame's at once, or what has come in memory of one size. */
  #roomFor(needed: number): number {
    const scarce = this.#memory?.scarce
    if (scarce === undefined) return needed * GROWTH
    return scarce ? Math.max(needed, MIN_SPACE_BYTES) : ahead(needed)
  }

  #enlarge(capacity: number, frameEnd = capacity): void {
    const large = capacity >= MIN_SPACE_BYTES && this.#memory !== undefined
    const larger = large
      ? asBuffer(this.#memory.take(capacity, frameEnd))
      : Buffer.allocUnsafe(capacity)
    this.#pending.copy(larger, 0, 0, this.#held)
    this.#drop()
    this.#pending = larger
  }

  /** What an incomplete frame is to have when it has no room for the next read; else 0. */
  #ample(): number {
    if (this.#held < PREFIX_BYTES) return 0
    const frameEnd = PREFIX_BYTES + this.#size(this.#pending, 0)
    const next = Math.min(frameEnd, this.#held + MIN_SPACE_BYTES)
    if (next <= this.#pending.length) return 0
    return Math.max(next, Math.min(frameEnd, ahead(this.#held)))
  }

  #drop(): void {
    if (this.#pending.length >= MIN_SPACE_BYTES) this.#memory?.give(this.#pending)
    this.#pending = EMPTY
  }

  #size(bytes: Buffer, position: number): number {
    const size = bytes.readInt32BE(position)
    if (size >= MIN_FRAME_BYTES && size <= this.#maxFrameBytes) return size
    const malformed = size < MIN_FRAME_BYTES
    this.#failure = new ProtocolError(
      malformed ? 'KFK_PROTOCOL_MALFORMED' : 'KFK_PROTOCOL_TOO_LARGE',
      malformed
        ? `a frame cannot have ${size} bytes`
        : `a frame of ${size} bytes is larger than the limit of ${this.#maxFrameBytes}`,
      { details: { size, maxFrameBytes: this.#maxFrameBytes } },
    )
    this.#drop()
    this.#held = 0
    throw this.#failure
  }
}
