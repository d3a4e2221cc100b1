import { ReceiveMemory } from '../src/receive-memory.js'
import { ManualClock } from './manual-clock.js'

const MiB = 1024 * 1024

test('a frame whose size is believed gets all of its memory at once, another as it comes', () => {
  const memory = new ReceiveMemory(new ManualClock())
  expect(memory.take(20_000, 6_000_000).length).toBeGreaterThanOrEqual(6_000_000)
  expect(memory.take(20_000, 100 * MiB)).toHaveLength(20_000)
})

test('what was given back is used for frames that nearly fill it', () => {
  const memory = new ReceiveMemory(new ManualClock())
  const first = memory.take(20_000, 6_000_000)
  memory.give(first.subarray(4, 100))
  expect(memory.keptBytes).toBe(first.length)
  expect(memory.take(20_000, 2_000_000).buffer).not.toBe(first.buffer)
  expect(memory.take(20_000, 9_000_000).buffer).not.toBe(first.buffer)
  const again = memory.take(20_000, 5_900_000)
  expect(again.buffer).toBe(first.buffer)
  expect(again).toHaveLength(first.length)
  expect(memory.keptBytes).toBe(0)
})

test('memory of others is never taken in, nor the same twice', () => {
  const memory = new ReceiveMemory(new ManualClock())
  memory.give(Buffer.alloc(100_000))
  expect(memory.keptBytes).toBe(0)
  const taken = memory.take(20_000, 100_000)
  memory.give(taken)
  memory.give(taken)
  expect(memory.keptBytes).toBe(taken.length)
})

test('at most 32 MiB are kept', () => {
  const memory = new ReceiveMemory(new ManualClock())
  const taken = Array.from({ length: 5 }, () => memory.take(20_000, 8 * MiB))
  for (const each of taken) memory.give(each)
  expect(memory.keptBytes).toBe(32 * MiB)
})

test('what nobody needs is let go after a while, what is in use by turns is not', async () => {
  const clock = new ManualClock()
  const memory = new ReceiveMemory(clock)
  const [first, second] = [memory.take(1, MiB), memory.take(1, MiB)]
  memory.give(first)
  memory.give(second)
  await clock.advance(10_000)
  for (let turn = 0; turn < 3; turn++) {
    memory.give(memory.take(1, MiB))
    await clock.advance(10_000)
    // One of the two is needed.
    expect(memory.keptBytes).toBe(MiB)
  }
  await clock.advance(20_000)
  expect(memory.keptBytes).toBe(0)
  expect(clock.pendingTimers).toBe(0)
})

test('nothing is kept after close', () => {
  const clock = new ManualClock()
  const memory = new ReceiveMemory(clock)
  const [first, second] = [memory.take(1, MiB), memory.take(1, MiB)]
  memory.give(first)
  memory.close()
  memory.give(second)
  expect(memory.keptBytes).toBe(0)
  expect(clock.pendingTimers).toBe(0)
})
