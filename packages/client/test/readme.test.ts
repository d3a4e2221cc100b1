import { apis } from '@kfk/protocol'
import * as client from '../src/index.js'
import { FakeCluster } from './fake-broker.js'
import { firstExample, runExample } from './readme.js'

test('the first example of the README runs and prints what it says', async () => {
  const cluster = new FakeCluster()
  cluster.respond(apis.createTopics, (_request, { topics }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, numPartitions }) => ({
      name,
      topicId: cluster.createTopic(name, numPartitions).id,
      errorCode: 0,
      errorMessage: null,
      configs: [],
    })),
  }))
  cluster.respond(apis.listOffsets, (_request, { topics }) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: 0,
        offset: 0,
      })),
    })),
  }))
  const createAdmin = (): client.Admin => client.createAdmin({ broker: cluster })
  const printed = await runExample(firstExample('client'), {
    '@kfk/client': { ...client, createAdmin },
  })
  expect(printed[0]).toEqual([['page-views']])
  expect(printed[1]![0]).toHaveLength(8)
  expect((printed[1]![0] as unknown[])[0]).toMatchObject({ partition: 0, offset: 0n })
})
