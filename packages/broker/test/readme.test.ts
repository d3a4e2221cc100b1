import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdmin } from '@kfk/client'
import { createBroker } from '../src/index.js'

test('the example of the README does what it says', async () => {
  const said: unknown[] = []
  const console = { log: (line: unknown) => void said.push(line) }
  // README begins
  const dataDir = await mkdtemp(join(tmpdir(), 'kfk-'))
  const broker = await createBroker({ dataDir, port: 0 })
  console.log(`any Kafka client connects to ${broker.brokers[0]}`)

  // Clients of the same process need no socket.
  const admin = createAdmin({ broker })
  await admin.createTopics([{ name: 'page-views', partitions: 4 }])
  console.log(await admin.listTopics())

  await admin.close()
  await broker.close()
  // README ends
  await rm(dataDir, { recursive: true })
  expect(said).toEqual([
    expect.stringMatching(/^any Kafka client connects to 127\.0\.0\.1:\d+$/),
    ['page-views'],
  ])
})

test('the example in the README is the one above', () => {
  const source = readFileSync(__filename, 'utf8')
  const [, body] = /README begins\n([^]*?) +\/\/ README ends/.exec(source)!
  const squeeze = (text: string): string => text.replace(/\s+/g, '')
  const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
  expect(squeeze(readme)).toContain(squeeze(body!))
})
