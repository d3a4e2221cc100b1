import { createFrameDecoder } from '@kfk/protocol'
import {
  Connection,
  type ConnectionDelegate,
  type IncomingRequest,
  type ResponseSlot,
} from '../src/network/connection.js'
import { FramePool } from '../src/network/frame-pool.js'
import { RequestMemory } from '../src/network/request-memory.js'
import { Pieces } from './pieces.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Numbers in [0, limit), the same each time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

test('what is given back is taken again, the last one first', () => {
  const pool = new FramePool()
  const [first, second] = [pool.take(70_000), pool.take(75_000)]
  expect(first.length).toBeGreaterThanOrEqual(70_000)
  expect(first.length).toBeLessThanOrEqual(70_000 * 1.25)
  expect(second.buffer).not.toBe(first.buffer)
  pool.give(first.subarray(10, 20))
  pool.give(second)
  expect(pool.keptBytes).toBe(first.length + second.length)
  expect(pool.take(72_000).buffer).toBe(second.buffer)
  expect(pool.take(72_000).buffer).toBe(first.buffer)
  expect(pool.keptBytes).toBe(0)
})

test('memory of others is never taken in, nor the same twice', () => {
  const pool = new FramePool()
  const taken = pool.take(65_536)
  pool.give(Buffer.allocUnsafeSlow(taken.length))
  expect(pool.keptBytes).toBe(0)
  pool.give(taken)
  pool.give(taken)
  expect(pool.keptBytes).toBe(taken.length)
  expect(pool.take(65_536).buffer).not.toBe(pool.take(65_536).buffer)
})

test('a buffer has room for what was asked, and no more than 16 MiB are kept', () => {
  const pool = new FramePool()
  for (let bytes = 1; bytes < 5_000_000; bytes = Math.ceil(bytes * 1.07)) {
    const taken = pool.take(bytes)
    expect(taken.length).toBeGreaterThanOrEqual(bytes)
    if (bytes > 16_384) expect(taken.length).toBeLessThanOrEqual(bytes * 1.25)
  }
  const many = Array.from({ length: 40 }, () => pool.take(1_000_000))
  for (const taken of many) pool.give(taken)
  expect(pool.keptBytes).toBeGreaterThan(15_000_000)
  expect(pool.keptBytes).toBeLessThanOrEqual(16 * 1024 * 1024)
})

test('what nobody has needed from one trim to the next is let go', () => {
  const pool = new FramePool()
  const taken = [1, 2, 3].map(() => pool.take(100_000))
  for (const buffer of taken) pool.give(buffer)
  pool.trim()
  expect(pool.keptBytes).toBe(3 * taken[0]!.length)
  // Two at a time are in use between the trims: one is too many.
  const used = [pool.take(100_000), pool.take(100_000)]
  for (const buffer of used) pool.give(buffer)
  pool.trim()
  expect(pool.keptBytes).toBe(2 * taken[0]!.length)
  pool.trim()
  expect(pool.keptBytes).toBe(0)
})

const nobody = { returned: () => undefined }

test('memory comes back after the writes that were asked for before', async () => {
  const pool = new FramePool()
  const order: string[] = []
  const written = new Promise<void>((resolve) => {
    pool.giveAfterWrites(pool.take(50_000), nobody)
    // An acknowledgement starts another request, in the turn in which memory comes back.
    setImmediate(() => {
      process.nextTick(() => {
        const late = pool.take(90_000)
        pool.giveAfterWrites(late, nobody)
        setImmediate(() => {
          order.push(pool.keptBytes < late.length ? 'written' : 'lost')
          resolve()
        })
      })
    })
  })
  await written
  await turn()
  await turn()
  expect(order).toEqual(['written'])
  expect(pool.keptBytes).toBeGreaterThan(140_000)
})

/** Serves nothing: keeps requests until they are answered. */
class Keeper implements ConnectionDelegate {
  readonly running: { frame: Uint8Array; slot: ResponseSlot }[] = []
  readonly faults: unknown[] = []
  answeredAtOnce = 0

  open(frame: Uint8Array): IncomingRequest {
    return { frame, pipelined: true, lends: true }
  }

  dispatch(_connection: Connection, { frame }: IncomingRequest, slot: ResponseSlot): void {
    expectOne(frame)
    if (frame[0]! % 3 !== 0) {
      this.running.push({ frame, slot })
      return
    }
    // As a request without acks: answered at once, and written at the end of the turn.
    setImmediate(() => {
      if (!isOne(frame)) this.faults.push('a frame changed before it was written')
    })
    this.answeredAtOnce++
    slot.complete(undefined)
  }

  onFault(_connection: Connection, reason: unknown): void {
    this.faults.push(reason)
  }

  onClosed(): void {}
}

/** All bytes of a frame are the same. */
function isOne(frame: Uint8Array): boolean {
  const first = frame[0]!
  return frame.every((byte) => byte === first)
}

function expectOne(frame: Uint8Array): void {
  if (!isOne(frame)) throw new Error('a frame has changed')
}

const limits = { maxFrameBytes: 1_000_000 }

test.each([1, 2, 3, 4])('cut anywhere, requests stay whole while they run (%d)', async (seed) => {
  const next = numbers(seed)
  const pool = new FramePool()
  const memory = new RequestMemory(100_000_000)
  // As sockets share it: whatever one connection keeps of it, the next one spoils.
  const scratch = Buffer.alloc(64 * 1024)
  const clients = [1, 2, 3].map(() => {
    const stream = new Pieces()
    const keeper = new Keeper()
    const decoder = createFrameDecoder({ ...limits, memory: pool })
    const answers = new FramePool()
    const pools = { frames: pool, answers }
    const connection = new Connection(stream, { decoder, delegate: keeper, memory, ...pools })
    const frames = Array.from({ length: 60 }, (_, index) => {
      const size = next(4) === 0 ? 6 + next(300_000) : 6 + next(80_000)
      const frame = Buffer.alloc(4 + size, 1 + ((index * 7 + seed) % 255))
      frame.writeInt32BE(size)
      return frame
    })
    return { stream, keeper, connection, rest: Buffer.concat(frames) as Uint8Array }
  })
  const seen = new Set<ArrayBufferLike>()
  let answered = 0
  const atOnce = (): number => clients.reduce((sum, { keeper }) => sum + keeper.answeredAtOnce, 0)
  while (answered + atOnce() < 180) {
    const client = clients[next(3)]!
    const limit = next(3) === 0 ? 1 + next(9) : 1 + next(70_000)
    if (client.rest.length > 0) {
      client.rest = client.rest.subarray(client.stream.deliver(client.rest, limit, scratch))
    }
    const { running } = client.keeper
    while (running.length > 0 && next(3) !== 0) {
      const [{ frame, slot }] = running.splice(next(running.length), 1) as [(typeof running)[0]]
      expectOne(frame)
      seen.add(frame.buffer)
      slot.complete([])
      answered++
    }
    if (next(4) === 0) await turn()
  }
  await turn()
  expect(clients.flatMap(({ keeper }) => keeper.faults)).toEqual([])
  expect(clients.every(({ connection }) => connection.unanswered === 0)).toBe(true)
  await turn()
  await turn()
  expect(memory.usedBytes).toBe(0)
  // Half the frames are large, and their memory is mostly used again.
  expect(seen.size).toBeLessThan(90)
})

test('a connection that closes gives back what its requests and its unfinished frame took', async () => {
  const pool = new FramePool()
  const stream = new Pieces()
  const keeper = new Keeper()
  const decoder = createFrameDecoder({ ...limits, memory: pool })
  const pools = { frames: pool, answers: new FramePool() }
  const memory = new RequestMemory(100_000_000)
  const connection = new Connection(stream, { decoder, delegate: keeper, memory, ...pools })
  const frame = Buffer.alloc(100_000, 1)
  frame.writeInt32BE(frame.length - 4)
  const scratch = Buffer.alloc(64 * 1024)
  let rest: Uint8Array = Buffer.concat([frame, frame.subarray(0, 90_000)])
  while (rest.length > 0) rest = rest.subarray(stream.deliver(rest, 30_000, scratch))
  expect(keeper.running.length).toBe(1)
  const before = pool.keptBytes
  connection.destroy()
  const closed = pool.keptBytes
  expect(closed).toBeGreaterThanOrEqual(before + 90_000)
  keeper.running[0]!.slot.complete(undefined)
  await turn()
  await turn()
  expect(pool.keptBytes).toBeGreaterThanOrEqual(closed + 100_000)
})

test('a pool keeps as much as it is told to', () => {
  const pool = new FramePool(40_000_000)
  const many = Array.from({ length: 50 }, () => pool.take(1_000_000))
  for (const taken of many) pool.give(taken)
  expect(pool.keptBytes).toBeGreaterThan(38_000_000)
  expect(pool.keptBytes).toBeLessThanOrEqual(40_000_000)
})
