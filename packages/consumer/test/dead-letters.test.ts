import { ClientError, defineTopic, json, string } from '@kfk/client'
import type { DeadLetters } from '../src/index.js'
import { ConsumerCluster } from './consumer-cluster.js'
import { resolveSettings } from '../src/options.js'

type Sent = Parameters<DeadLetters['producer']['send']>[1]

const topic = defineTopic('t', { key: string(), value: json() })

const shown = ({ key, value, headers }: Sent) => [
  key,
  Buffer.from(value!).toString(),
  Object.fromEntries(headers.map((each) => [each.key, Buffer.from(each.value!).toString()])),
]

async function reading(send: (topic: string, record: Sent) => Promise<unknown>) {
  const cluster = new ConsumerCluster({ topics: { t: 1 } })
  cluster.append('t', 0, ['1', 'no json', '2', '{', '3'])
  const onInvalid: DeadLetters = { deadLetter: 'dead', producer: { send } }
  const consumer = cluster.consumer({ topics: [topic] as never, group: 'g', onInvalid })
  const seen: unknown[] = []
  const ended = consumer.run((record) => void seen.push(record.value))
  return { cluster, consumer, seen, ended }
}

test('what cannot be read is sent elsewhere, in order, and the rest is read on', async () => {
  const sent: Sent[] = []
  const { cluster, consumer, seen, ended } = await reading((name, record) => {
    expect(name).toBe('dead')
    sent.push(record)
    return Promise.resolve()
  })
  await cluster.until(() => seen.length === 3)
  expect(seen).toEqual([1, 2, 3])
  const origin = (offset: string) => ({
    ...{ 'kfk.dead-letter.topic': 't', 'kfk.dead-letter.partition': '0' },
    ...{ 'kfk.dead-letter.offset': offset, 'kfk.dead-letter.part': 'value' },
    'kfk.dead-letter.reason': expect.stringContaining('JSON') as string,
  })
  expect(sent.map(shown)).toEqual([
    [null, 'no json', origin('1')],
    [null, '{', origin('3')],
  ])
  expect(sent.map(({ timestamp }) => timestamp)).toEqual([1001, 1003])
  const closed = consumer.close()
  await cluster.until(() => cluster.committed.get('t/0') === 5)
  await closed
  await ended
})

test('one that cannot be sent ends the loop, and is not committed', async () => {
  const refusal = new ClientError('KFK_CLIENT_CLOSED', 'the producer is closed')
  const { cluster, consumer, seen, ended } = await reading(() => Promise.reject(refusal))
  let failure: unknown
  const over = ended.catch((error: unknown) => (failure = error))
  await cluster.until(() => failure !== undefined)
  await over
  expect(failure).toBe(refusal)
  expect(seen).toEqual([1])
  await consumer.close()
  expect(cluster.committed.get('t/0')).toBe(1)
})

test('it must be a topic and a producer', () => {
  const settings = (onInvalid: unknown) => () =>
    resolveSettings({ topics: ['t'], onInvalid: onInvalid as DeadLetters })
  const refused = expect.objectContaining({ code: 'KFK_CLIENT_INVALID_ARGUMENT' }) as Error
  expect(settings({ deadLetter: '', producer: { send: () => undefined } })).toThrow(refused)
  expect(settings({ deadLetter: 'dead' })).toThrow(refused)
})
