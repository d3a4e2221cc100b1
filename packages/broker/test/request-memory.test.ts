import { createFrameDecoder } from '@kfk/protocol'
import { Connection, type ConnectionDelegate } from '../src/network/connection.js'
import { FramePool } from '../src/network/frame-pool.js'
import { RequestMemory, type MemoryAccount } from '../src/network/request-memory.js'
import { Pieces } from './pieces.js'

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

test('producers faster than the disk hold no more than the bound, and all are served', async () => {
  const [producers, each, limit] = [150, 8, 4096 * kib]
  const piece = 32 * kib
  const memory = new RequestMemory(limit)
  const frames = new FramePool()
  const scratch = Buffer.alloc(piece)
  const running: (() => void)[] = []
  const delegate: ConnectionDelegate = {
    open: (frame) => ({ frame, pipelined: true, lends: true }),
    dispatch: (_connection, _request, slot) => void running.push(() => slot.complete([])),
    onFault: (_connection, reason) => {
      throw reason
    },
    onClosed: () => undefined,
  }
  const frame = Buffer.alloc(4 + 66_000, 7)
  frame.writeInt32BE(66_000)
  const stream = Buffer.concat(Array.from({ length: each }, () => frame))
  const clients = Array.from({ length: producers }, () => {
    const decoder = createFrameDecoder({ maxFrameBytes: 1_000_000, memory: frames })
    const pieces = new Pieces()
    new Connection(pieces, { decoder, delegate, memory, frames, answers: frames })
    return { pieces, rest: stream as Uint8Array }
  })
  /** Whoever may send does, in turns, until nobody may. */
  const sendAll = (): void => {
    const sending = clients.filter(({ pieces, rest }) => !pieces.paused && rest.length > 0)
    for (const client of sending) {
      const { pieces, rest } = client
      client.rest = rest.subarray(pieces.deliver(rest, piece, scratch))
    }
    if (sending.length > 0) sendAll()
  }
  const before = process.memoryUsage().arrayBuffers
  let served = 0
  while (clients.some(({ rest }) => rest.length > 0) || running.length > 0) {
    sendAll()
    // However short memory is, each may have 16 KiB, and what it then reads at once.
    const bound = limit + producers * (16 * kib + piece)
    expect(memory.usedBytes).toBeLessThan(bound)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * bound)
    expect(running.length).toBeGreaterThan(0)
    served += running.length
    for (const answer of running.splice(0)) answer()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(served).toBe(producers * each)
  expect(memory.usedBytes).toBe(0)
})
