import { PostPace } from '../src/post-pace.js'

const MiB = 1024 * 1024

describe('PostPace', () => {
  test.each([
    [1000, 750],
    [16 * MiB, 12 * MiB],
    [64 * MiB, 16 * MiB],
    [256 * MiB, 64 * MiB],
  ])('a buffer of %i bytes asks for a pause from %i on', async (bufferBytes, pauseBytes) => {
    const buffer = { usedBytes: pauseBytes - 1 }
    const pace = new PostPace(buffer, bufferBytes)
    expect(pace.isReady).toBe(true)
    await pace.ready()
    buffer.usedBytes = pauseBytes
    expect(pace.isReady).toBe(false)
    let isReady = false
    const ready = pace.ready().then(() => (isReady = true))
    pace.hasRoom()
    await Promise.resolve()
    expect(isReady).toBe(false)
    buffer.usedBytes = pauseBytes - 1
    pace.hasRoom()
    await ready
  })
})
