import fc from 'fast-check'
import { createFrameDecoder } from '../src/frame-decoder.js'

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length)
  frame.writeInt32BE(body.length)
  frame.set(body, 4)
  return frame
}

test('a frame within one chunk is a view of the chunk', () => {
  const decoder = createFrameDecoder({ maxFrameBytes: 100 })
  const chunk = Buffer.concat([framed(Buffer.alloc(10, 1)), framed(Buffer.alloc(20, 2))])
  const frames = decoder.push(chunk)
  expect(frames.map((frame) => frame.length)).toEqual([10, 20])
  expect(frames.every((frame) => frame.buffer === chunk.buffer)).toBe(true)
  expect(decoder.bufferedBytes).toBe(0)
})

test('any cut of any stream gives the same frames, none of which changes later', () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 6, maxLength: 200 }), { maxLength: 6 })
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 70 })), (frames, cuts) => {
      const stream = Buffer.concat(frames.map(framed))
      const decoder = createFrameDecoder({ maxFrameBytes: 200 })
      const seen: Uint8Array[] = []
      let position = 0
      for (const cut of [...cuts, stream.length]) {
        seen.push(...decoder.push(Buffer.from(stream.subarray(position, position + cut))))
        position += cut
      }
      expect(Buffer.concat(seen).equals(Buffer.concat(frames))).toBe(true)
      expect(seen.map((frame) => frame.length)).toEqual(frames.map((frame) => frame.length))
      expect(decoder.bufferedBytes).toBe(0)
    }),
    { seed: 4 },
  )
})

test('a broken stream stays broken', () => {
  const decoder = createFrameDecoder({ maxFrameBytes: 100 })
  expect(() => decoder.push(Buffer.from('00000065', 'hex'))).toThrow(
    expect.objectContaining({ code: 'KFK_PROTOCOL_TOO_LARGE' }),
  )
  expect(() => decoder.push(framed(Buffer.alloc(10)))).toThrow('larger than the limit')
  expect(decoder.bufferedBytes).toBe(0)
})

test('the buffer follows the bytes that arrived, in chunks of one byte too', () => {
  const decoder = createFrameDecoder({ maxFrameBytes: 0x7fffffff })
  const before = process.memoryUsage().arrayBuffers
  decoder.push(Buffer.from('7fffffff', 'hex'))
  for (let index = 0; index < 10_000; index += 1) decoder.push(Buffer.alloc(1))
  expect(decoder.bufferedBytes).toBe(10_004)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000)
})

test('memory for a large frame is asked for with the size of the frame', () => {
  const asked: number[][] = []
  const memory = {
    take(byteCount: number, frameBytes = byteCount): Uint8Array {
      asked.push([byteCount, frameBytes])
      return new Uint8Array(frameBytes + 1000)
    },
    give: () => undefined,
  }
  const decoder = createFrameDecoder({ maxFrameBytes: 1e6, memory })
  const body = Buffer.alloc(200_000, 7)
  const stream = framed(body)
  expect(decoder.push(stream.subarray(0, 30_000))).toEqual([])
  // What was made beyond the end of the frame is not offered.
  const space = decoder.space!()!
  expect(space).toHaveLength(170_004)
  stream.copy(space, 0, 30_000)
  expect(body.equals(decoder.filled!(170_004)!)).toBe(true)
  expect(asked).toEqual([[120_000, 200_004]])
})

test('received in place or pushed, large frames come out the same', () => {
  const sizes = fc.array(fc.integer({ min: 6, max: 300_000 }), { maxLength: 4 })
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ min: 1, max: 65_536 })), (lengths, cuts) => {
      const bodies = lengths.map((length, index) => Buffer.alloc(length, index + 1))
      const stream = Buffer.concat(bodies.map(framed))
      const decoder = createFrameDecoder({ maxFrameBytes: 300_000 })
      const seen: Uint8Array[] = []
      for (let position = 0, turn = 0; position < stream.length; turn += 1) {
        const cut = cuts[turn % cuts.length] ?? 65_536
        const space = decoder.space?.()
        const room = Math.min(cut, space?.length ?? cut, stream.length - position)
        const chunk = stream.subarray(position, position + room)
        position += room
        if (space === undefined) {
          seen.push(...decoder.push(Buffer.from(chunk)))
        } else {
          space.set(chunk)
          const frame = decoder.filled!(room)
          if (frame !== undefined) seen.push(frame)
        }
      }
      expect(seen.map((frame) => frame.length)).toEqual(lengths)
      expect(Buffer.concat(seen).equals(Buffer.concat(bodies))).toBe(true)
      expect(decoder.bufferedBytes).toBe(0)
    }),
    { seed: 4, numRuns: 50 },
  )
})
