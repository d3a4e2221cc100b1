import { RequestMemory, type MemoryAccount } from '../src/network/request-memory.js'

const kib = 1024

function account(): MemoryAccount & { paused: boolean } {
  return {
    usedBytes: 0,
    waiting: false,
    paused: false,
    pause() {
      this.paused = true
    },
    resume() {
      this.paused = false
    },
  }
}

test('over the limit one large request goes on and the others wait for it', () => {
  const memory = new RequestMemory(200 * kib)
  const [first, second, third] = [account(), account(), account()]
  memory.update(first, 100 * kib)
  memory.update(second, 150 * kib)
  memory.update(first, 120 * kib)
  memory.update(third, 90 * kib)
  expect([first, second, third].map(({ paused }) => paused)).toEqual([true, false, true])
  expect(memory.favoured).toBe(second)
  memory.update(second, 0)
  expect(memory.usedBytes).toBe(210 * kib)
  // Still over the limit: the next one is favoured.
  expect([first, third].map(({ paused }) => paused)).toEqual([false, true])
  memory.close(first)
  expect(third.paused).toBe(false)
  expect(memory.usedBytes).toBe(90 * kib)
})

test('small requests are never held up', () => {
  const memory = new RequestMemory(100 * kib)
  const [large, other, small] = [account(), account(), account()]
  memory.update(large, 90 * kib)
  memory.update(other, 90 * kib)
  memory.update(small, 10 * kib)
  expect(small.paused).toBe(false)
})

test('a connection that closes while it waits is forgotten', () => {
  const memory = new RequestMemory(100 * kib)
  const [large, other] = [account(), account()]
  memory.update(large, 90 * kib)
  memory.update(other, 90 * kib)
  expect(memory.favoured).toBeUndefined()
  memory.update(large, 95 * kib)
  expect(large.paused).toBe(true)
  memory.close(large)
  memory.close(other)
  expect(memory.usedBytes).toBe(0)
  expect(memory.favoured).toBeUndefined()
})
