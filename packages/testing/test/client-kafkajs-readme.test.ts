import * as kafkajs from '@kfk/client-kafkajs'
import { firstExample, runExample } from '../../client/test/readme'
import { startInteropBroker } from '../src/index'

test('the first example of the README runs and prints what it says', async () => {
  const broker = await startInteropBroker()
  class Kafka extends kafkajs.Kafka {
    constructor(config: kafkajs.KafkaConfig) {
      super({ ...config, brokers: [broker.bootstrap] })
    }
  }
  const modules = { '@kfk/client-kafkajs': { ...kafkajs, Kafka } }
  expect(await runExample(firstExample('client-kafkajs'), modules)).toEqual([
    ['customer-1: two pears'],
  ])
  await broker.stop()
})
