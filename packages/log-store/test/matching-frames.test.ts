// Checksums of many frames at once: what matches together matches alone, and what does not, shows.
import { frameFormat } from '../src/index'
import { matchingFrames } from '../src/crc32'

let state = 11
const random = (below: number) => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return (state >>> 8) % below
}

const headerBytes = 34

/** Frames of these sizes behind `before` other bytes, and where each begins. */
function run(sizes: readonly number[], before = 0): { bytes: Buffer; starts: number[] } {
  const starts: number[] = []
  const frames = sizes.map((size, baseOffset) => {
    const value = Buffer.from(Array.from({ length: size - headerBytes }, () => random(256)))
    const frame = Buffer.from(frameFormat.encode(value, { timestamp: random(1e9) }))
    frameFormat.stamp(frame, 0, { baseOffset: 2 ** 40 + baseOffset, leaderEpoch: random(9) })
    starts.push((starts.at(-1) ?? before) + (sizes[baseOffset - 1] ?? 0))
    return frame
  })
  return { bytes: Buffer.concat([Buffer.alloc(before, 0xaa), ...frames]), starts }
}

test('frames of every length, at every alignment, match', () => {
  for (let size = headerBytes; size < 900; size++) {
    const before = size % 17
    const { bytes } = run([size, size + 1, headerBytes, size], before)
    const copy = Buffer.from(bytes)
    if (matchingFrames(bytes, before) !== bytes.length) throw new Error(`frames of ${size}`)
    expect(bytes.equals(copy)).toBe(true)
  }
})

test('one wrong bit shows, wherever it is', () => {
  const { bytes, starts } = run([50, 600, headerBytes, 77, 40])
  for (let at = 0; at < bytes.length; at++) {
    const frame = starts.findLast((start) => start <= at)!
    const inFrame = at - frame
    // Offset and epoch are not covered, and the other bits of the length and the magic lead astray.
    const free = inFrame < 8 || (inFrame >= 12 && inFrame < 16)
    for (let bit = 0; bit < 8; bit++) {
      bytes[at]! ^= 1 << bit
      const until = matchingFrames(bytes, 0)
      bytes[at]! ^= 1 << bit
      if (free ? until !== bytes.length : until > frame && !isMagic(inFrame, bit)) {
        throw new Error(`bit ${bit} of byte ${at}: ${until}`)
      }
    }
  }
})

/** The two kinds of frames differ in one bit that no checksum covers. */
const isMagic = (inFrame: number, bit: number) => inFrame === 16 && bit === 0

test('goes on over more than it looks at in one go, up to what is no whole frame', () => {
  const sizes = Array.from({ length: 400 }, () => headerBytes + random(random(2) === 0 ? 90 : 3000))
  const { bytes, starts } = run([...sizes, 30_000, 60_000, 65_532, 40, 3000])
  expect(matchingFrames(bytes, 0)).toBe(bytes.length)
  for (const cut of [1, 2999, 2966, 2967]) {
    expect(matchingFrames(bytes.subarray(0, bytes.length - cut), 0)).toBe(starts.at(-1))
  }
  for (const frame of starts) {
    const at = frame + 17 + random(headerBytes - 17)
    bytes[at]! ^= 1
    expect(matchingFrames(bytes, 0)).toBeLessThanOrEqual(frame)
    bytes[at]! ^= 1
  }
})

test('a frame that is larger than its input is left to others', () => {
  const { bytes, starts } = run([100, 65_533, 100])
  expect(matchingFrames(bytes, 0)).toBe(starts[1])
  expect(matchingFrames(bytes, starts[1]!)).toBe(starts[1])
  expect(matchingFrames(bytes, starts[2]!)).toBe(bytes.length)
})

test('zeros, text and nothing are no frames', () => {
  expect(matchingFrames(new Uint8Array(5000), 0)).toBe(0)
  expect(matchingFrames(Buffer.alloc(5000, 'frame'), 7)).toBe(7)
  expect(matchingFrames(new Uint8Array(0), 0)).toBe(0)
  const { bytes, starts } = run([100, 100])
  const zeros = Buffer.concat([bytes, Buffer.alloc(200)])
  expect(matchingFrames(zeros, 0)).toBe(200)
  // What an earlier look left behind is not taken for a frame.
  expect(matchingFrames(bytes.subarray(0, 150), 0)).toBe(starts[1])
})

test('without WebAssembly it vouches for nothing', () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly')!
  Object.defineProperty(globalThis, 'WebAssembly', { ...own, value: undefined })
  try {
    jest.isolateModules(() => {
      const alone = jest.requireActual<{ matchingFrames: typeof matchingFrames }>('../src/crc32')
      expect(alone.matchingFrames(run([100, 100]).bytes, 0)).toBe(0)
    })
  } finally {
    Object.defineProperty(globalThis, 'WebAssembly', own)
  }
})
