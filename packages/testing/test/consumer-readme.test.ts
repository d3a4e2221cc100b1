import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBroker } from '@kfk/broker'
import { defineTopic, json, string } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'

const dataDir = mkdtempSync(join(tmpdir(), 'kfk-readme-'))
afterAll(() => rmSync(dataDir, { recursive: true }))

test('the example of the README of @kfk/consumer does what it says', async () => {
  const said: unknown[] = []
  const console = { log: (line: unknown) => void said.push(line) }
  // README begins
  // A broker in this process; with { brokers: 'host:9092' } instead of { broker }, any Kafka.
  await using broker = await createBroker({ dataDir, listen: false })
  const pageViews = defineTopic('page-views', { key: string(), value: json<{ path: string }>() })

  await using producer = createProducer({ broker })
  const paths = ['/', '/docs', '/', '/blog']
  await producer.send(
    pageViews,
    paths.map((path) => ({ key: 'visitor 1', value: { path } })),
  )

  await using consumer = createConsumer({
    broker,
    group: 'counters',
    topics: [pageViews],
    from: 'earliest',
  })
  const counts = new Map<string, number>()
  for await (const { value } of consumer) {
    const { path } = value!
    counts.set(path, (counts.get(path) ?? 0) + 1)
    if (path === '/blog') break
  }
  console.log(counts)
  // README ends
  expect(said).toEqual([
    new Map([
      ['/', 2],
      ['/docs', 1],
      ['/blog', 1],
    ]),
  ])
})

test('the example in the README is the one above', () => {
  const source = readFileSync(__filename, 'utf8')
  const [, body] = /README begins\n([^]*?) +\/\/ README ends/.exec(source)!
  const squeeze = (text: string): string => text.replace(/\s+/g, '')
  const readme = readFileSync(join(__dirname, '../../consumer/README.md'), 'utf8')
  expect(squeeze(readme)).toContain(squeeze(body!))
})
