import { ClientError, createClient, defineTopic, json, string } from '@kfk/client'
import { apis } from '@kfk/protocol'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { createProducer } from '../src/index.js'
import type { ProducerSettings } from '../src/index.js'

function produceTo(cluster: FakeCluster, settings: ProducerSettings = {}) {
  return createProducer({
    broker: cluster,
    retry: { initialMs: 0, maxMs: 1 },
    ...settings,
  })
}

describe('send', () => {
  test('of each record resolves with partition, offset and timestamp, and the log has it', async () => {
    const cluster = new FakeCluster({ topics: { views: 1 } })
    await using producer = produceTo(cluster)
    const each = { each: true } as const
    const first = await producer.send('views', { key: 'k', value: 'a', timestamp: 1000 }, each)
    const second = await producer.send('views', { value: 'b', timestamp: 2000 }, each)
    expect(first).toEqual({ partition: 0, offset: 0n, timestamp: 1000 })
    expect(second).toEqual({ partition: 0, offset: 1n, timestamp: 2000 })
    expect(cluster.partition('views', 0).values()).toEqual(['a', 'b'])
  })

  test('records sent together share a batch and resolve in their order', async () => {
    const cluster = new FakeCluster({ topics: { views: 3 } })
    await using producer = produceTo(cluster)
    const records = Array.from({ length: 30 }, (_, at) => ({ value: `v${at}`, partition: at % 3 }))
    const results = await producer.send('views', records, { each: true })
    expect(results.map(({ partition }) => partition)).toEqual(records.map((r) => r.partition))
    expect(results.map(({ offset }) => offset)).toEqual(
      records.map((_, at) => BigInt(Math.floor(at / 3))),
    )
    expect(cluster.requestsOf(apis.produce)).toHaveLength(1)
  })

  test('partitions that were added are used, records of own timestamps or not', async () => {
    const cluster = new FakeCluster({ topics: { views: 1 } })
    const client = createClient({ broker: cluster })
    await using producer = createProducer({ client })
    for (const [count, timestamp] of [[1], [3], [5, 1000]] as const) {
      cluster.createTopic('views', count)
      await client.metadata.topic('views', { refresh: true })
      const record = {
        value: 'a',
        partition: count - 1,
        ...(timestamp === undefined ? {} : { timestamp }),
      }
      producer.post('views', record)
      const sent = await producer.send('views', record)
      expect(sent).toMatchObject({ partition: count - 1, baseOffset: 0n, recordCount: 2 })
    }
    await client.close()
  })

  test('N concurrent sends give N distinct offsets in the order of the calls', async () => {
    const cluster = new FakeCluster({ topics: { views: 1 } })
    await using producer = produceTo(cluster, { batchBytes: 200 })
    const count = 500
    const values = Array.from({ length: count }, (_, at) => `value ${at}`)
    const results = await Promise.all(
      values.map((value) => producer.send('views', { value }, { each: true })),
    )
    expect(results.map(({ offset }) => Number(offset))).toEqual(values.map((_, at) => at))
    expect(cluster.partition('views', 0).values()).toEqual(values)
  })

  test('typed topics, headers and tombstones reach the log', async () => {
    const cluster = new FakeCluster({ topics: { users: 1 } })
    const users = defineTopic('users', { key: string(), value: json<{ name: string }>() })
    await using producer = produceTo(cluster)
    await producer.send(users, {
      key: 'u1',
      value: { name: 'Ada' },
      headers: { trace: 'abc', empty: null },
    })
    await producer.send(users, { key: 'u1', value: null })
    const [first, tombstone] = cluster.partition('users', 0).records()
    expect(Buffer.from(first!.value!).toString()).toBe('{"name":"Ada"}')
    expect(
      first!.headers.map(({ key, value }) => [key, value && Buffer.from(value).toString()]),
    ).toEqual([
      ['trace', 'abc'],
      ['empty', null],
    ])
    expect(tombstone!.value).toBeNull()
    expect(Buffer.from(tombstone!.key!).toString()).toBe('u1')
  })

  test('an impossible partition and an unusable value are clear errors', async () => {
    const cluster = new FakeCluster({ topics: { views: 2 } })
    await using producer = produceTo(cluster)
    await expect(producer.send('views', { value: 'x', partition: 2 })).rejects.toMatchObject({
      code: 'KFK_CLIENT_INVALID_ARGUMENT',
      message: expect.stringContaining('0 to 1'),
    })
    await expect(producer.send('views', { value: 12 as never })).rejects.toThrow(ClientError)
    for (const timestamp of [Number.NaN, 1.5, 2 ** 60]) {
      await expect(producer.send('views', { value: 'x', timestamp })).rejects.toMatchObject({
        code: 'KFK_CLIENT_INVALID_ARGUMENT',
      })
    }
    await producer.flush()
  })
})
