import { apis } from '@kfk/protocol'
import { createClient } from '@kfk/client'
import type { RequestOf } from '@kfk/protocol'
import { FakeCluster } from '../../client/test/fake-broker.js'
import type { Fault } from '../../client/test/fake-broker.js'
import { BufferPool } from '../src/buffer-pool.js'
import { createProducer } from '../src/index.js'
import type { ProducerSettings } from '../src/index.js'

describe('BufferPool', () => {
  test('gives what came back last, never more than fits, and keeps a quarter', () => {
    const pool = new BufferPool(100, 850)
    const slots = Array.from({ length: 8 }, () => pool.take()!)
    expect(new Set(slots).size).toBe(8)
    expect(slots.every((slot) => slot.length === 100)).toBe(true)
    expect(pool.take()).toBeUndefined()
    for (const slot of slots.slice(0, 3)) pool.giveBack(slot)
    expect(pool.freeSlots).toBe(2)
    expect([pool.take(), pool.take()]).toEqual([slots[1], slots[0]])
    const fresh = pool.take()!
    expect(slots).not.toContain(fresh)
    expect(pool.take()).toBeUndefined()
    pool.forget()
    expect(slots).not.toContain(pool.take())
  })
})

describe('memory of batches', () => {
  const batchBytes = 2000

  /** Sends rounds of a full batch each, or a small one; the memory of each Produce request's batch, as sent. */
  async function memoryOfBatches(
    settings: ProducerSettings,
    faultOf: (request: number) => Fault | undefined = () => undefined,
    small: readonly number[] = [],
  ) {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    const client = createClient({ broker: cluster, retry: { initialMs: 0, maxMs: 1 } })
    let requests = 0
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? faultOf(requests++) : undefined)
    const memory: ArrayBufferLike[] = []
    const observed = Object.create(client, {
      request: {
        value: (api: typeof apis.produce, body: RequestOf<typeof apis.produce>, ...rest: []) => {
          if (api.key === apis.produce.key) {
            memory.push(body.topicData[0]!.partitionData[0]!.records!.buffer)
          }
          return (client.request as (...all: unknown[]) => unknown)(api, body, ...rest)
        },
      },
    }) as typeof client
    const producer = createProducer({ client: observed, batchBytes, ...settings })
    const values: string[] = []
    for (let round = 0; round < 6; round += 1) {
      const value = `${round}`.padEnd(small.includes(round) ? 1 : batchBytes - 100)
      values.push(value)
      await producer.send('t', { value })
    }
    await producer.close()
    await client.close()
    // Without answers the last ones may still be on their way.
    const stored = cluster.partition('t', 0).values()
    expect(stored).toEqual(values.slice(0, settings.acks === 0 ? stored.length : values.length))
    return memory
  }

  test('is used again once the broker has them', async () => {
    const memory = await memoryOfBatches({})
    // The first has none of the pool: how large batches become is not known yet.
    expect(memory[0]).not.toBe(memory[1])
    expect(new Set(memory.slice(1)).size).toBe(1)
  })

  test('is used again after a small one', async () => {
    const memory = await memoryOfBatches({}, undefined, [3])
    expect(new Set(memory.slice(1)).size).toBe(1)
  })

  test('is not taken for what has been small several times', async () => {
    const memory = await memoryOfBatches({}, undefined, [2, 3, 4, 5])
    expect(memory[2]).toBe(memory[1])
    expect(memory[4]).not.toBe(memory[1])
  })

  test.each(['lz4', 'gzip'] as const)('is used again for %s, too', async (compression) => {
    const memory = await memoryOfBatches({ compression })
    // One is written while the other holds what was made of it.
    expect(new Set(memory.slice(1)).size).toBe(2)
    const again = await memoryOfBatches({ compression }, (at) => (at === 3 ? 'drop' : undefined))
    expect(again.lastIndexOf(again[3]!)).toBe(4)
  })

  test('is not used again after a second sending', async () => {
    const memory = await memoryOfBatches({}, (request) => (request === 2 ? 'drop' : undefined))
    expect(memory[3]).toBe(memory[2])
    expect(memory[4]).not.toBe(memory[2])
    expect(new Set(memory.slice(4)).size).toBe(1)
  })

  test('is not used again when nobody answers', async () => {
    const memory = await memoryOfBatches({ acks: 0 })
    expect(new Set(memory).size).toBe(6)
  })
})
