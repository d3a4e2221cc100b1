import * as client from '@kfk/client'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { firstExample, runExample } from '../../client/test/readme.js'
import { createProducer } from '../src/index.js'
import type { Producer, ProducerSettings } from '../src/index.js'

test('the first example of the README runs and prints what it says', async () => {
  const cluster = new FakeCluster({ autoCreate: true })
  const printed = await runExample(firstExample('producer'), {
    '@kfk/client': client,
    '@kfk/producer': {
      createProducer: ({
        brokers: _real,
        ...settings
      }: ProducerSettings & { brokers: unknown }): Producer =>
        createProducer({ ...settings, broker: cluster, retry: { initialMs: 0 } }),
    },
  })
  expect(printed).toEqual([['stored at 0/0']])
  expect(cluster.partition('page-views', 0).values()).toEqual(['{"url":"/"}'])
})
