import { seededRandom } from '@kfk/client'
import { apis } from '@kfk/protocol'
import type { RequestOf } from '@kfk/protocol'
import fc from 'fast-check'
import { FakeCluster } from '../../client/test/fake-broker.js'
import type { Fault, FakeRequest } from '../../client/test/fake-broker.js'
import { createProducer } from '../src/index.js'
import type { ProducerSettings } from '../src/index.js'

function produceTo(cluster: FakeCluster, settings: ProducerSettings = {}) {
  return createProducer({
    broker: cluster,
    retry: { initialMs: 0, maxMs: 1 },
    random: seededRandom(7),
    ...settings,
  })
}

/** Faults for the first Produce requests, in order. */
function produceFaults(cluster: FakeCluster, faults: readonly (Fault | undefined)[]): void {
  const script = [...faults]
  cluster.fault = ({ api }) => (api.key === apis.produce.key ? script.shift() : undefined)
}

/** The answer with this error to every batch of a Produce request. */
function refusal(request: FakeRequest, errorCode: number): Fault {
  const { topicData } = request.body as RequestOf<typeof apis.produce>
  return {
    respond: {
      responses: topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => ({
          index,
          errorCode,
          baseOffset: -1,
        })),
      })),
    },
  }
}

describe('idempotent retries', () => {
  test('a severed reply: the same numbers go out again, nothing doubles, the first offset is reported', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    produceFaults(cluster, ['sever'])
    await using producer = produceTo(cluster)
    const result = await producer.send('t', { value: 'once' })
    expect(result.baseOffset).toBe(0n)
    expect(cluster.partition('t', 0).values()).toEqual(['once'])
    const sent = cluster.requestsOf(apis.produce)
    expect(sent).toHaveLength(2)
    const bytes = sent.map(({ body }) => {
      const { topicData } = body as RequestOf<typeof apis.produce>
      return Buffer.from(topicData[0]!.partitionData[0]!.records!).toString('hex')
    })
    expect(bytes[1]).toBe(bytes[0])
  })

  test('any mix of severed, dropped and refused requests keeps order and doubles nothing', async () => {
    const fault = fc.constantFrom('sever', 'drop', 'leader', 'ok' as const)
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 25 }), fc.integer(), async (faults, seed) => {
        const cluster = new FakeCluster({ topics: { t: 2 }, brokers: 2 })
        const script = [...faults]
        cluster.fault = (request) => {
          if (request.api.key !== apis.produce.key) return undefined
          const next = script.shift()
          if (next === 'leader') return refusal(request, 6)
          return next === 'ok' ? undefined : next
        }
        await using producer = createProducer({
          broker: cluster,
          retry: { initialMs: 0, maxMs: 0 },
          random: seededRandom(seed),
          batchBytes: 150,
        })
        const sends = Array.from({ length: 60 }, (_, at) =>
          producer.send('t', { value: `v${at}`, partition: at % 2 }, { each: true }),
        )
        const results = await Promise.all(sends)
        for (const partition of [0, 1]) {
          const expected = results.flatMap((_, at) => (at % 2 === partition ? [`v${at}`] : []))
          expect(cluster.partition('t', partition).values()).toEqual(expected)
          const offsets = results.filter((r) => r.partition === partition).map((r) => r.offset)
          expect(offsets).toEqual(expected.map((_, at) => BigInt(at)))
        }
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  test('a moved leader is followed', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 }, brokers: 2 })
    await using producer = produceTo(cluster)
    await producer.send('t', { value: 'one' })
    cluster.partition('t', 0).leaderId = 2
    cluster.partition('t', 0).leaderEpoch = 1
    const { baseOffset } = await producer.send('t', { value: 'two' })
    expect(baseOffset).toBe(1n)
    expect(cluster.requestsOf(apis.produce).at(-1)!.nodeId).toBe(2)
  })

  test('a broker that lost the producer state is met with a new epoch, not with an error', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    await using producer = produceTo(cluster)
    await producer.send('t', { value: 'one' })
    const script = [59]
    cluster.fault = (request) => {
      if (request.api.key !== apis.produce.key) return undefined
      const errorCode = script.shift()
      return errorCode === undefined ? undefined : refusal(request, errorCode)
    }
    await producer.send('t', { value: 'two' })
    const { batches } = cluster.partition('t', 0)
    expect(batches.map(({ producerEpoch, baseSequence }) => [producerEpoch, baseSequence])).toEqual(
      [
        [0, 0],
        [1, 0],
      ],
    )
  })

  test('a refused producer id is replaced', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    await using producer = produceTo(cluster)
    await producer.send('t', { value: 'one' })
    const script = [90]
    cluster.fault = (request) => {
      if (request.api.key !== apis.produce.key) return undefined
      const errorCode = script.shift()
      return errorCode === undefined ? undefined : refusal(request, errorCode)
    }
    await producer.send('t', { value: 'two' })
    const ids = cluster.partition('t', 0).batches.map(({ producerId }) => producerId)
    expect(new Set(ids).size).toBe(2)
    expect(cluster.requestsOf(apis.initProducerId)).toHaveLength(2)
  })

  test('a batch that the broker refuses for good leaves no hole for those behind it', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    let refused = 0
    cluster.fault = (request) => {
      if (request.api.key !== apis.produce.key) return undefined
      refused += 1
      return refused === 2 ? refusal(request, 10) : undefined
    }
    await using producer = produceTo(cluster, { batchBytes: 90 })
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((letter) => producer.send('t', { value: letter.repeat(50) })),
    )
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    expect(outcomes[1]).toMatchObject({
      reason: {
        kafkaName: 'MESSAGE_TOO_LARGE',
        message: expect.stringContaining('max.message.bytes'),
      },
    })
    expect(
      cluster
        .partition('t', 0)
        .values()
        .map((value) => value[0]),
    ).toEqual(['a', 'c', 'd'])
  })
})

describe('without idempotence', () => {
  test('one batch per partition at a time keeps order over retries', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    produceFaults(cluster, ['drop', undefined, 'drop'])
    await using producer = produceTo(cluster, { acks: 1, batchBytes: 90 })
    const values = Array.from({ length: 10 }, (_, at) => `${at}`.repeat(50))
    await Promise.all(values.map((value) => producer.send('t', { value })))
    expect(cluster.partition('t', 0).values()).toEqual(values)
    expect(cluster.requestsOf(apis.initProducerId)).toHaveLength(0)
  })

  test('acks 0 resolves without an answer and without an offset', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    await using producer = produceTo(cluster, { acks: 0 })
    expect(await producer.send('t', { value: 'x' })).toMatchObject({
      partition: 0,
      baseOffset: -1n,
    })
    const each = { each: true }
    expect(await producer.send('t', { value: 'y' }, each)).toMatchObject({ offset: -1n })
  })
})
