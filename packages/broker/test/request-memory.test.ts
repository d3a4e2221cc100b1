import { createFrameDecoder } from '@kfk/protocol'
import { Connection, type ConnectionDelegate } from '../src/network/connection.js'
import { FramePool } from '../src/network/frame-pool.js'
import { firstReadBytes, RequestMemory, type MemoryAccount } from '../src/network/request-memory.js'
import { Pieces } from './pieces.js'

const kib = 1024
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function account(): MemoryAccount & { paused: boolean } {
  return {
    usedBytes: 0,
    wantedBytes: 0,
    waiting: false,
    midFrame: true,
    paused: false,
    pause() {
      this.paused = true
    },
    resume() {
      this.paused = false
    },
  }
}

test('over the limit one goes on, the others when there is room, in their order', () => {
  const memory = new RequestMemory(200 * kib)
  const [first, second, third, fourth] = [account(), account(), account(), account()]
  const paused = () => [first, second, third, fourth].map((each) => each.paused)
  memory.update(first, 50 * kib, 100 * kib)
  expect(paused()).toEqual([false, false, false, false])
  memory.update(first, 150 * kib, 0)
  memory.update(second, 20 * kib, 80 * kib)
  // Half of a frame must not wait for the other halves: somebody may end his.
  expect([paused()[1], memory.favoured]).toEqual([false, undefined])
  memory.update(second, 100 * kib, 0)
  memory.update(third, 10 * kib, 120 * kib)
  memory.update(fourth, 10 * kib, 20 * kib)
  expect([paused(), memory.favoured]).toEqual([[false, false, true, true], second])
  // There would be room for the fourth, but the third has waited longer.
  memory.update(first, 0, 16 * kib)
  expect(paused()).toEqual([false, false, true, true])
  memory.update(second, 0, 16 * kib)
  expect(paused()).toEqual([false, false, false, false])
  expect(memory.usedBytes).toBe(160 * kib)
})

test('room for one wakes one', () => {
  const memory = new RequestMemory(200 * kib)
  const running = account()
  const waiting = Array.from({ length: 10 }, account)
  memory.update(running, 200 * kib, 0)
  for (const each of waiting) memory.update(each, 10 * kib, 70 * kib)
  const going = () => waiting.filter((each) => !each.paused).length
  expect(going()).toBe(1)
  memory.update(waiting[0]!, 80 * kib, 0)
  memory.update(running, 100 * kib, 0)
  expect(going()).toBe(1)
  memory.update(running, 10 * kib, 0)
  expect([going(), waiting[1]!.paused]).toEqual([1, true])
  memory.update(waiting[0]!, 0, 0)
  // One, and another that may go beyond.
  expect([going(), waiting[2]!.paused, memory.favoured]).toEqual([3, false, waiting[2]])
})

test('between frames the favoured waits, too, until it is answered', () => {
  const memory = new RequestMemory(100 * kib)
  const [disk, favoured, other] = [account(), account(), account()]
  memory.update(disk, 100 * kib, 0)
  memory.update(favoured, 16 * kib, 64 * kib)
  memory.update(favoured, 80 * kib, 0)
  const between = Object.assign(favoured, { midFrame: false })
  memory.update(between, 80 * kib, 16 * kib)
  memory.update(other, 16 * kib, 64 * kib)
  expect([favoured.paused, other.paused]).toEqual([true, true])
  memory.update(between, 0, 16 * kib)
  expect([favoured.paused, other.paused]).toEqual([false, false])
})

test('small requests are never held up', () => {
  const memory = new RequestMemory(100 * kib)
  const [large, other, small] = [account(), account(), account()]
  memory.update(large, 90 * kib, 0)
  memory.update(other, 16 * kib, 90 * kib)
  memory.update(small, 10 * kib, 6 * kib)
  expect(small.paused).toBe(false)
})

test('a connection that closes while it waits is forgotten', () => {
  const memory = new RequestMemory(100 * kib)
  const [large, other, waiting] = [account(), account(), account()]
  memory.update(large, 90 * kib, 0)
  memory.update(other, 16 * kib, 90 * kib)
  memory.update(waiting, 16 * kib, 90 * kib)
  expect([other.paused, waiting.paused]).toEqual([false, true])
  memory.close(waiting)
  memory.close(large)
  memory.close(other)
  expect(memory.usedBytes).toBe(0)
  expect([memory.favoured, memory.scarce]).toEqual([undefined, false])
})

/** What has been taken of it and not given back. */
class CountedPool extends FramePool {
  liveBytes = 0

  override take(byteCount: number): Buffer {
    const taken = super.take(byteCount)
    this.liveBytes += taken.buffer.byteLength
    return taken
  }

  override give(bytes: Uint8Array): void {
    this.liveBytes -= bytes.buffer.byteLength
    super.give(bytes)
  }
}

const piece = firstReadBytes
const scratch = Buffer.alloc(piece)

/** Connections of one memory, and their requests that run until somebody answers them. */
function clientsOf(count: number, memory: RequestMemory) {
  const frames = new CountedPool(memory.limitBytes, memory)
  const running: (() => void)[] = []
  const delegate: ConnectionDelegate = {
    open: (frame) => ({ frame, pipelined: true, lends: true }),
    dispatch(_connection, { frame }, slot) {
      running.push(() => {
        // Nobody else has written into its memory.
        expect(frame.every((byte) => byte === frame[0])).toBe(true)
        slot.complete([])
      })
    },
    onFault: (_connection, reason) => {
      throw reason
    },
    onClosed: () => undefined,
  }
  const clients = Array.from({ length: count }, () => {
    const decoder = createFrameDecoder({ maxFrameBytes: 1_000_000, memory: frames })
    const pieces = new Pieces()
    new Connection(pieces, { decoder, delegate, memory, frames, answers: frames })
    return { pieces, rest: Buffer.alloc(0) as Uint8Array }
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
  /** Answers what runs, and waits until its memory is free; how many there were. */
  const answerAll = async (): Promise<number> => {
    const answered = running.splice(0)
    for (const answer of answered) answer()
    for (let turns = 0; turns < 3; turns++) await turn()
    return answered.length
  }
  const areDone = () => running.length === 0 && clients.every(({ rest }) => rest.length === 0)
  return { clients, frames, sendAll, answerAll, areDone }
}

/**
 * However short memory is, each may have the beginning of a frame, and one may end his; and the
 * pool gives up to a quarter more than what is asked for.
 */
function boundOf(limit: number, connections: number): number {
  return limit * 1.25 + connections * firstReadBytes + 400_000
}

function frameOf(byteCount: number, content: number): Buffer {
  const frame = Buffer.alloc(byteCount, content)
  frame.writeInt32BE(byteCount - 4)
  return frame
}

test('producers faster than the disk hold no more than the bound, and all are served', async () => {
  const [producers, each, limit] = [150, 8, 4096 * kib]
  const memory = new RequestMemory(limit)
  const { clients, frames, sendAll, answerAll, areDone } = clientsOf(producers, memory)
  for (const [index, client] of clients.entries()) {
    const frame = frameOf(66_004, index)
    client.rest = Buffer.concat(Array.from({ length: each }, () => frame))
  }
  const bound = boundOf(limit, producers)
  let served = 0
  while (!areDone()) {
    sendAll()
    expect(memory.usedBytes).toBeLessThanOrEqual(bound)
    expect(frames.liveBytes).toBeLessThanOrEqual(bound)
    expect(frames.liveBytes + frames.keptBytes).toBeLessThanOrEqual(bound + limit / 4)
    const answered = await answerAll()
    expect(answered).toBeGreaterThan(0)
    served += answered
  }
  expect(served).toBe(producers * each)
  expect(memory.usedBytes).toBe(0)
})

test('halves of frames keep to the bound, and all of them are completed', async () => {
  const [producers, limit, half] = [200, 16_384 * kib, 150_000]
  const memory = new RequestMemory(limit)
  const { clients, frames, sendAll, answerAll, areDone } = clientsOf(producers, memory)
  const bound = boundOf(limit, producers)
  const wholes = clients.map((_, index) => frameOf(2 * half, index))
  for (const [at, client] of clients.entries()) client.rest = wholes[at]!.subarray(0, half)
  sendAll()
  expect(frames.liveBytes).toBeGreaterThan(limit / 2)
  expect(frames.liveBytes).toBeLessThanOrEqual(bound)
  expect(await answerAll()).toBe(0)
  for (const [at, client] of clients.entries()) {
    client.rest = Buffer.concat([client.rest, wholes[at]!.subarray(half)])
  }
  let served = 0
  while (!areDone()) {
    sendAll()
    expect(frames.liveBytes).toBeLessThanOrEqual(bound)
    const answered = await answerAll()
    expect(answered).toBeGreaterThan(0)
    served += answered
  }
  expect(served).toBe(producers)
  expect([memory.usedBytes, memory.scarce]).toEqual([0, false])
})
