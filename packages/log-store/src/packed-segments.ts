/** Bytes of one sealed segment in memory and in file `kfk.logs`. */
export const packedRowBytes = 40

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/**
 * The sealed segments of a log as they are in file `kfk.logs`, which is what `SegmentList` has in
 * memory: rows of five little-endian doubles, so that tens of thousands are taken over by copying
 * them, in a process that has not compiled anything yet.
 */
export interface PackedSegments {
  /** Sum over all. */
  readonly sizeBytes: number
  readonly bytes: Uint8Array
}

/** As bytes of the file; the numbers must not be used any more. */
export function packNumbers(values: Float64Array): Uint8Array {
  return inFileOrder(Buffer.from(values.buffer))
}

/** The numbers of the file, in memory of their own. */
export function unpackNumbers(bytes: Uint8Array): Float64Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  inFileOrder(Buffer.from(copy.buffer))
  return new Float64Array(copy.buffer)
}

/** Base offsets of the segments, without taking the rest over. */
export function unpackBases({ bytes }: PackedSegments): number[] {
  const values = unpackNumbers(bytes)
  const rowNumbers = packedRowBytes / Float64Array.BYTES_PER_ELEMENT
  return Array.from(
    { length: bytes.length / packedRowBytes },
    (_, row) => values[row * rowNumbers]!,
  )
}

function inFileOrder(bytes: Buffer): Buffer {
  return littleEndian ? bytes : bytes.swap64()
}
