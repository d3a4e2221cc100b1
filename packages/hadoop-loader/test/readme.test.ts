import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createBroker } from '@kfk/broker'
import { createClient } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { runLoad, targetFrom, verifyLoad, type LoaderErrorCode } from '../src/index.js'
import { removeTemporaryDirectories, temporaryDirectory } from './harness.js'

const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')

test('the example of the README does what it says', async () => {
  const said: unknown[] = []
  const console = { log: (...line: unknown[]) => void said.push(line) }
  const [dataDir, out] = [await temporaryDirectory(), await temporaryDirectory()]
  // README begins
  const broker = await createBroker({ dataDir, port: 0 }) // or any Kafka: brokers: 'host:9092'
  const client = createClient({ brokers: broker.brokers })
  const producer = createProducer({ brokers: broker.brokers })
  await producer.send('page-views', {
    value: JSON.stringify({ path: '/', time: '2026-05-17T10:05:03Z' }),
  })
  const target = targetFrom(out) // './out/hdfs' or 'http://namenode:9870/activity'
  const load = { client, target, topics: ['page-views'], timeField: 'time' }
  const { records, files } = await runLoad(load)
  console.log(records, files, (await verifyLoad(load)).ok)
  // README ends
  expect(said).toEqual([[1, 1, true]])
  await Promise.all([producer.close(), client.close()])
  await broker.close()
  await removeTemporaryDirectories()
})

test('the example in the README is the one above', () => {
  const source = readFileSync(__filename, 'utf8')
  const [, body] = /README begins\n([^]*?) +\/\/ README ends/.exec(source)!
  const squeeze = (text: string): string => text.replace(/\s+/g, '')
  expect(squeeze(readme)).toContain(squeeze(body!))
})

test('the README lists every error', () => {
  const codes: Record<LoaderErrorCode, true> = {
    KFK_LOADER_TARGET: true,
    KFK_LOADER_NO_TARGET: true,
    KFK_LOADER_GAP: true,
    KFK_LOADER_DAMAGED: true,
    KFK_LOADER_OTHER_TOPIC: true,
    KFK_LOADER_LOG_BEHIND: true,
    KFK_LOADER_CORRUPT_LOG: true,
    KFK_LOADER_UNBALANCED: true,
    KFK_LOADER_INVALID_ARGUMENT: true,
  }
  for (const code of Object.keys(codes)) expect(readme).toContain(`| \`${code}\` `)
})
