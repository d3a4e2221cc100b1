import { ClientError, defineTopic, json, string, type StandardSchemaV1 } from '@kfk/client'
import { encodeRecordBatch, openBatch, RecordPlaces } from '@kfk/protocol'
import { inspect } from 'node:util'
import { FetchedRecord } from '../src/fetched-record.js'
import { RecordDecoder } from '../src/record-decoder.js'
import type { Subscription } from '../src/options.js'
import { ConsumerCluster } from './consumer-cluster.js'
import { createConsumer } from '../src/index.js'

const place = { topic: 't', partition: 2 }
const record = (offset: number, value: string | null, key: string | null = null): FetchedRecord => {
  const places = new RecordPlaces()
  const batch = encodeRecordBatch([{ key, value, timestamp: 5 }], { baseOffset: offset })
  return new FetchedRecord(place, openBatch(batch, places), places.numbers, 0)
}

/** A schema as libraries make them: `{ n: number }`, sync or async. */
function numberSchema(isAsync: boolean): StandardSchemaV1<{ n: number }, { n: number }> {
  const check = (data: unknown) =>
    typeof (data as { n?: unknown }).n === 'number'
      ? { value: data as { n: number } }
      : { issues: [{ message: 'not a number', path: ['n'] }] }
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (data) => (isAsync ? Promise.resolve(check(data)) : check(data)),
    },
  }
}

const decoder = (
  topic: unknown,
  onInvalid: ConstructorParameters<typeof RecordDecoder>[1] = 'throw',
) => new RecordDecoder([topic as Subscription], onInvalid)

describe.each([
  ['sync', false],
  ['async', true],
])('a typed topic, %s', (_name, isAsync) => {
  const topic = defineTopic('t', { key: string(), value: numberSchema(isAsync) })
  const records = [
    record(10, '{"n":1}', 'a'),
    record(11, null, 'b'),
    record(12, '{"n":"x"}', 'c'),
    record(13, 'no json', 'd'),
    record(14, '{"n":2}', null),
  ]

  test('decodes keys and values in order; null stays null', async () => {
    const { records: decoded } = await decoder(topic).decode(place, [
      ...records.slice(0, 2),
      records[4]!,
    ])
    expect(decoded.map(({ key, value, offset }) => [key, value, offset])).toEqual([
      ['a', { n: 1 }, 10n],
      ['b', null, 11n],
      [null, { n: 2 }, 14n],
    ])
    expect(decoded.map(({ position }) => position)).toEqual([10, 11, 14])
  })

  test('throw: stops before the first bad record and says where it is and why', async () => {
    const { records: decoded, failure } = await decoder(topic).decode(place, records)
    expect(decoded.map(({ offset }) => offset)).toEqual([10n, 11n])
    expect(failure).toMatchObject({
      offset: 12,
      error: {
        code: 'KFK_CLIENT_INVALID_DATA',
        message: expect.stringContaining(
          'The value of t-2 at offset 12 is invalid: n: not a number',
        ),
        details: { topic: 't', partition: 2, offset: 12n, part: 'value' },
      },
    })
  })

  test('skip: leaves bad records out', async () => {
    const { records: decoded, failure } = await decoder(topic, 'skip').decode(place, records)
    expect(decoded.map(({ offset }) => offset)).toEqual([10n, 11n, 14n])
    expect(failure).toBeUndefined()
  })

  test('a function is given the error and the raw record; what it throws ends the run there', async () => {
    const told: unknown[] = []
    const onInvalid = decoder(topic, (error, raw) => {
      told.push([error.code, raw.offset, Buffer.from(raw.value!).toString()])
      if (raw.offset === 13n) throw new Error('enough')
    })
    const { records: decoded, failure } = await onInvalid.decode(place, records)
    expect(told).toEqual([
      ['KFK_CLIENT_INVALID_DATA', 12n, '{"n":"x"}'],
      ['KFK_CLIENT_INVALID_DATA', 13n, 'no json'],
    ])
    expect(decoded).toHaveLength(2)
    expect(failure).toMatchObject({ offset: 13, error: { message: 'enough' } })
  })
})

test('a record whose serde cannot be asked now is not passed over, whatever `onInvalid` says', async () => {
  const away = new ClientError('KFK_CLIENT_UNREACHABLE', 'away', { retriable: true })
  const value = { ...string(), deserialize: () => Promise.reject(away) }
  const topic = defineTopic('t', { key: string(), value })
  const { records, failure } = await decoder(topic, 'skip').decode(place, [record(3, 'v')])
  expect({ records, failure }).toEqual({ records: [], failure: { error: away, offset: 3 } })
})

test('keys are checked as well', async () => {
  const topic = defineTopic('t', { key: numberSchema(false), value: string() })
  const { failure } = await decoder(topic).decode(place, [record(3, 'v', 'no json')])
  expect(failure!.error).toMatchObject({ details: { part: 'key' } })
})

test('a serde that fails later than another one leaves nothing unhandled', async () => {
  const late = {
    name: 'late',
    serialize: String,
    deserialize: () => Promise.reject(new Error('late')),
  }
  const never = {
    name: 'never',
    serialize: String,
    deserialize: (): string => {
      throw new Error('never')
    },
  }
  const topic = defineTopic('t', { key: late, value: never })
  const { failure } = await decoder(topic).decode(place, [record(3, 'v', 'k')])
  expect(failure!.error).toMatchObject({ details: { part: 'value' } })
})

test('a topic by name: bytes as they are, printed as a plain object', async () => {
  const { records } = await decoder('t').decode(place, [record(7, 'v', 'k')])
  const [first] = records
  expect(first).toMatchObject({ topic: 't', partition: 2, offset: 7n, timestamp: new Date(5) })
  expect(inspect(first)).toContain("topic: 't'")
  expect(inspect(first)).toContain('offset: 7n')
})

describe('in a consumer', () => {
  const numbers = defineTopic('numbers', { value: json<number>() })

  function clusterWith(...values: string[]): ConsumerCluster {
    const cluster = new ConsumerCluster({ topics: { numbers: 1 } })
    cluster.append('numbers', 0, values)
    return cluster
  }

  test('the records before a bad one come first; after a seek past it reading goes on', async () => {
    const { client } = clusterWith('1', '2', 'x', '4')
    await using consumer = createConsumer({ client, topics: [numbers], from: 'earliest' })
    const seen: (number | null)[] = []
    const loop = async (): Promise<void> => {
      for await (const { value } of consumer) {
        seen.push(value)
        if (value === 4) return
      }
    }
    await expect(loop()).rejects.toMatchObject({ details: { offset: 2n } })
    await expect(loop()).rejects.toMatchObject({ details: { offset: 2n } })
    consumer.seek({ topic: 'numbers', partition: 0 }, 3n)
    await loop()
    expect(seen).toEqual([1, 2, 4])
  })

  test('batches and run too: the bad record is not counted as processed', async () => {
    const { client } = clusterWith('1', '2', 'x', '4')
    await using consumer = createConsumer({ client, topics: [numbers], from: 'earliest' })
    const batches = consumer.batches()
    const { value: batch } = await batches.next()
    expect(batch!.records.map(({ value }) => value)).toEqual([1, 2])
    expect(batch!.nextOffset).toBe(2n)
    await expect(batches.next()).rejects.toMatchObject({ details: { offset: 2n } })
    expect(consumer.position({ topic: 'numbers', partition: 0 })).toBe(2n)
    await expect(consumer.run(() => undefined)).rejects.toMatchObject({ details: { offset: 2n } })
    expect(consumer.position({ topic: 'numbers', partition: 0 })).toBe(2n)
  })

  test('what is skipped counts as processed, also at the end', async () => {
    const cluster = clusterWith('1', 'x')
    const consumer = createConsumer({
      client: cluster.client,
      topics: [numbers],
      from: 'earliest',
      group: 'g',
      onInvalid: 'skip',
    })
    const iterator = consumer[Symbol.asyncIterator]()
    await iterator.next()
    const next = iterator.next()
    await cluster.until(() => consumer.lag().some(({ lag }) => lag === 0n))
    await consumer.close()
    expect((await next).done).toBe(true)
    expect(cluster.committed.get('numbers/0')).toBe(2)
  })

  test('definitions type single partitions as well', async () => {
    const { client } = clusterWith('5')
    await using consumer = createConsumer({
      client,
      topics: [numbers],
      assignment: [{ topic: 'numbers', partition: 0 }],
      from: 'earliest',
    })
    for await (const { value } of consumer) {
      expect(value).toBe(5)
      break
    }
  })
})
