import { availableParallelism } from 'node:os'
import { gzipSync } from 'node:zlib'
import { createClient } from '@kfk/client'
import { compressionCodecs } from '@kfk/protocol'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { BatchCompressor } from '../src/batch-compressor.js'
import { createProducer } from '../src/index.js'
import type { ProducerBatch } from '../src/producer-batch.js'

const threads = Math.min(availableParallelism(), 4)

describe('BatchCompressor', () => {
  class Batch {
    compressing = false
    finish = (): void => {}
    constructor(public paysApart = true) {}

    compressApart(): Promise<void> {
      this.compressing = true
      this.paysApart = false
      return new Promise((resolve) => {
        this.finish = () => {
          this.compressing = false
          resolve()
        }
      })
    }
  }

  test('runs as many at once as there are processors, and tells of each that is done', async () => {
    let told = 0
    const compressor = new BatchCompressor(() => (told += 1))
    const isDone = (batch: Batch): boolean => compressor.isDone(batch as unknown as ProducerBatch)
    const batches = Array.from({ length: threads + 1 }, () => new Batch())
    for (let look = 0; look < 2; look += 1) {
      expect(batches.some(isDone)).toBe(false)
      expect(batches.filter(({ compressing }) => compressing)).toEqual(batches.slice(0, threads))
    }
    expect(isDone(new Batch(false))).toBe(true)
    batches[0]!.finish()
    await Promise.resolve()
    await Promise.resolve()
    expect(told).toBe(1)
    expect(batches.map(isDone)).toEqual([true, ...new Array<boolean>(threads).fill(false)])
    expect(batches.at(-1)!.compressing).toBe(true)
  })
})

describe('batches that another thread compresses', () => {
  const batchBytes = 20_000

  function start(partitions: number) {
    const cluster = new FakeCluster({ topics: { t: partitions } })
    const client = createClient({ broker: cluster })
    const producer = createProducer({ client, batchBytes, compression: 'gzip' })
    return { cluster, client, producer }
  }

  test('arrive in order, whole, and leave the event loop free meanwhile', async () => {
    const { cluster, client, producer } = start(3)
    const values = Array.from({ length: 600 }, (_, at) => `${at}`.padEnd(1000, 'abcdefgh'))
    for (const [at, value] of values.entries()) producer.post('t', { value, partition: at % 3 })
    let turns = 0
    let flushed = false
    const count = (): void => {
      turns += 1
      if (!flushed) setImmediate(count)
    }
    count()
    await producer.flush()
    flushed = true
    for (const partition of [0, 1, 2]) {
      const expected = values.filter((_, at) => at % 3 === partition)
      expect(cluster.partition('t', partition).values()).toEqual(expected)
    }
    expect(turns).toBeGreaterThan(5)
    await producer.close()
    await client.close()
  })

  test('are given up by a close that does not wait, and nothing breaks when they are done', async () => {
    const { cluster, client, producer } = start(1)
    const finish: (() => void)[] = []
    jest.spyOn(compressionCodecs.apart('gzip')!, 'compress').mockImplementation((bytes) => {
      return new Promise((resolve) => finish.push(() => resolve(gzipSync(bytes))))
    })
    await producer.send('t', { value: 'first' })
    const records = Array.from({ length: 60 }, () => ({ value: 'x'.repeat(1000) }))
    const lost = expect(producer.send('t', records)).rejects.toMatchObject({
      code: 'KFK_CLIENT_CLOSED',
    })
    while (finish.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await producer.close({ timeoutMs: 0 })
    await lost
    for (const each of finish) each()
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(cluster.partition('t', 0).values()).toEqual(['first'])
    await client.close()
    jest.restoreAllMocks()
  })
})
