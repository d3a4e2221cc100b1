import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { apis } from '@kfk/protocol'
import { batchOf, Harness } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

test('the log of a topic that was deleted unseen is removed, others stay', async () => {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir })
  const client = await harness.client(broker)
  for (const topic of ['stays', 'goes']) {
    await client.topic(topic)
    await client.produce(topic, batchOf(['a']))
  }
  const crashed = await harness.crashed(dataDir)
  await client.request(apis.deleteTopics, 5, { topicNames: ['goes'], timeoutMs: 5000 })
  await broker.close()
  // A crash between the deletion and the removal of the files: metadata without the topic, logs
  // with it.
  await cp(join(crashed, 'goes-0'), join(dataDir, 'goes-0'), { recursive: true })
  const again = await harness.broker({
    dataDir,
    config: { 'log.retention.check.interval.ms': '50' },
  })
  while ((await readdir(dataDir)).includes('goes-0')) {
    await (await harness.client(again)).topic('stays')
  }
  expect(await readdir(dataDir)).toContain('stays-0')
  expect(await (await harness.client(again)).fetch('stays', 0)).toMatchObject({ highWatermark: 1 })
})

test('retention reaches logs that nobody has used since the start', async () => {
  const dataDir = await harness.directory()
  const config = { 'log.segment.bytes': '10000', 'log.retention.bytes': '10000' }
  const broker = await harness.broker({ dataDir, config })
  const client = await harness.client(broker)
  await client.topic('events')
  for (let index = 0; index < 10; index++) {
    await client.produce('events', batchOf(['x'.repeat(4000)]))
  }
  await broker.close()
  const again = await harness.broker({
    dataDir,
    config: { ...config, 'log.retention.check.interval.ms': '50' },
  })
  const segments = async (): Promise<number> =>
    (await readdir(join(dataDir, 'events-0'))).filter((name) => name.endsWith('.log')).length
  const reader = await harness.client(again)
  while ((await segments()) > 3) await reader.request(apis.metadata, 1, { topics: [] })
  const { logStartOffset } = await reader.fetch('events', 9)
  expect(logStartOffset).toBeGreaterThan(0)
})
