import { seededRandom } from '@kfk/client'
import { apis, readBatchHeader } from '@kfk/protocol'
import fc from 'fast-check'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { createProducer } from '../src/index.js'
import type { PostFailure, ProducerSettings } from '../src/index.js'

const tooLarge = { kafkaName: 'MESSAGE_TOO_LARGE' }

function setUp(maxMessageBytes: number, settings: ProducerSettings = {}) {
  const cluster = new FakeCluster({ topics: { t: 1 } })
  const partition = cluster.partition('t', 0)
  partition.maxMessageBytes = maxMessageBytes
  const producer = createProducer({
    broker: cluster,
    retry: { initialMs: 0, maxMs: 0 },
    random: seededRandom(3),
    batchBytes: 4000,
    ...settings,
  })
  return { cluster, partition, producer }
}

const lettered = (count: number, length: number): string[] =>
  Array.from({ length: count }, (_, at) => `${at}:`.padEnd(length, 'abcdef'))

describe('batches above max.message.bytes (KIP-126)', () => {
  test.each(['none', 'gzip'] as const)(
    'go in parts, in order, under the numbers that they had, %s',
    async (compression) => {
      const maxBytes = compression === 'none' ? 1000 : 180
      const { partition, producer } = setUp(maxBytes, { compression })
      const values = lettered(200, 100)
      const headers = { name: 'v' }
      const sends = values.map((value, at) =>
        producer.send('t', { key: `k${at}`, value, headers, timestamp: 5000 + at }),
      )
      const shared = await Promise.all(sends)
      expect(partition.values()).toEqual(values)
      const records = partition.records()
      expect(records.map(({ key }) => Buffer.from(key!).toString())).toEqual(
        values.map((_, at) => `k${at}`),
      )
      expect(records.map(({ timestamp }) => timestamp)).toEqual(values.map((_, at) => 5000 + at))
      expect(records[199]!.headers).toEqual([{ key: 'name', value: Buffer.from('v') }])
      let sequence = 0
      for (const { bytes, producerEpoch, baseSequence, recordCount } of partition.batches) {
        expect(bytes.length).toBeLessThanOrEqual(maxBytes)
        expect([producerEpoch, baseSequence]).toEqual([0, sequence])
        expect(readBatchHeader(bytes).recordCount).toBe(recordCount)
        sequence += recordCount
      }
      // Who sent into one batch is told of all of it: where it begins.
      let offset = 0n
      for (const { baseOffset, recordCount } of new Set(shared)) {
        expect(baseOffset).toBe(offset)
        offset += BigInt(recordCount)
      }
      expect(offset).toBe(200n)
      await producer.close()
    },
  )

  test('a record that is too large fails alone, and each is told its own fate', async () => {
    const posted: PostFailure[] = []
    const { partition, producer } = setUp(500, {
      onPostFailure: (_error, records) => void posted.push(records),
    })
    await producer.send('t', { value: 'known' })
    const each = { each: true } as const
    const sizes = [10, 20, 700, 30, 800, 40, 100, 100, 100]
    const own = sizes.map((size, at) =>
      producer.send('t', { value: `${at}`.padEnd(size) }, { each: true }),
    )
    const together = producer.send('t', [{ value: 'x' }, { value: 'y' }], each)
    const torn = producer.send('t', [{ value: 'z' }, { value: ''.padEnd(600) }], each)
    producer.post('t', { value: ''.padEnd(900) })
    producer.post('t', { value: 'posted' })
    const shared = producer.send('t', { value: 'shared' })
    const outcomes = await Promise.allSettled([...own, torn, shared])
    expect(outcomes.map(({ status }) => status[0])).toEqual([...'ffrfrffffrr'])
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(tooLarge)
    }
    const stored = partition.values().map((value) => value.trim())
    expect(stored).toEqual([...'known 0 1 3 5 6 7 8 x y z posted shared'.split(' ')])
    const offsets = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value] : [],
    )
    expect(offsets).toMatchObject([1, 2, 3, 4, 5, 6, 7].map((at) => ({ offset: BigInt(at) })))
    expect(await together).toMatchObject([{ offset: 8n }, { offset: 9n }])
    expect(posted).toEqual([{ topic: 't', partition: 0, count: 2 }])
    await producer.close()
  })

  test('what is left of a batch fails when the producer is closed, and flush waits for all', async () => {
    const { cluster, partition, producer } = setUp(1000)
    const values = lettered(30, 100)
    for (const value of values) producer.post('t', { value })
    await producer.flush()
    expect(partition.values()).toEqual(values)
    let answered = 0
    cluster.fault = ({ api }) =>
      api.key === apis.produce.key && (answered += 1) > 4 ? 'hang' : undefined
    const outcomes = Promise.allSettled(values.map((value) => producer.send('t', { value })))
    const closing = producer.close({ timeoutMs: 50 })
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ reason: { code: 'KFK_CLIENT_CLOSED' } })
    }
    cluster.disconnectAll()
    await closing
  })

  test.each([true, false])(
    'whatever is lost on the way, what is stored is what is told, idempotent %s',
    async (idempotent) => {
      const fault = fc.constantFrom('drop', ...(idempotent ? (['sever'] as const) : []), 'ok')
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 4, max: 400 }), { minLength: 1, maxLength: 60 }),
          fc.integer({ min: 100, max: 600 }),
          fc.array(fault, { maxLength: 25 }),
          async (sizes, maxBytes, faults) => {
            const settings = idempotent ? {} : ({ acks: 1 } as const)
            const { cluster, partition, producer } = setUp(maxBytes, {
              ...settings,
              batchBytes: 900,
            })
            const script = [...faults]
            cluster.fault = ({ api }) => {
              const next = api.key === apis.produce.key ? script.shift() : undefined
              return next === 'drop' || next === 'sever' ? next : undefined
            }
            const values = sizes.map((size, at) => `${at}`.padEnd(size))
            const outcomes = await Promise.allSettled(
              values.map((value) => producer.send('t', { value }, { each: true })),
            )
            const told = values.filter((_, at) => outcomes[at]!.status === 'fulfilled')
            expect(partition.values()).toEqual(told)
            const offsets = outcomes.flatMap((outcome) =>
              outcome.status === 'fulfilled' ? [Number(outcome.value.offset)] : [],
            )
            expect(offsets).toEqual(told.map((_, at) => at))
            // 61 bytes of batch header and up to 9 of record header.
            for (const [at, size] of sizes.entries()) {
              if (size + 70 < maxBytes) expect(outcomes[at]!.status).toBe('fulfilled')
              if (size + 61 > maxBytes) expect(outcomes[at]).toMatchObject({ reason: tooLarge })
            }
            await producer.close()
          },
        ),
        { seed: 5, numRuns: 60 },
      )
    },
  )
})
