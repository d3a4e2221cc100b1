/* Bytes that rot on the disk: never served, never silently dropped, and nobody else is held up. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type Broker, createBroker } from '@kfk/broker'
import { createAdmin, createClient } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { apis, encodeRecordBatch, errorByCode } from '@kfk/protocol'
import { fetchFrom, readTopic } from './support/stored-records.js'

const partitions = 3
let dir: string
let logged: { level: string; message: string }[]
let broker: Broker | undefined

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-rot-'))
  logged = []
})
afterEach(async () => {
  await broker?.close()
  fs.rmSync(dir, { recursive: true, force: true })
})

async function start(config: Record<string, string> = {}): Promise<Broker> {
  const at = (level: string) => (message: string) => void logged.push({ level, message })
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  broker = await createBroker({ dataDir: dir, port: 0, logger, config })
  return broker
}

/** Twenty records to each partition, one batch each, and a clean stop. */
async function filled(): Promise<void> {
  const running = await start()
  await using admin = createAdmin({ broker: running })
  await admin.createTopics([{ name: 'events', partitions }])
  await using producer = createProducer({ broker: running })
  for (let number = 0; number < 20; number++) {
    await Promise.all(
      Array.from({ length: partitions }, (_, partition) =>
        producer.send('events', { value: `${partition}:${number}`, partition }),
      ),
    )
  }
  await running.close()
}

const segment = (partition: number): string =>
  path.join(dir, `events-${partition}`, '00000000000000000000.log')

function flip(file: string, position: number): void {
  const bytes = fs.readFileSync(file)
  bytes[position]! ^= 0x40
  fs.writeFileSync(file, bytes)
}

async function code(act: () => Promise<unknown>): Promise<string> {
  return act().then(
    () => 'NONE',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

/** What the others hold, and that they take more. */
async function othersServe(running: Broker, rotten: number): Promise<void> {
  await using client = createClient({ broker: running })
  await using producer = createProducer({ client })
  for (let partition = 0; partition < partitions; partition++) {
    if (partition === rotten) continue
    await producer.send('events', { value: 'more', partition })
    const { records } = await fetchFrom(client, 'events', { partition, offset: 0 })
    expect(records.length).toBeGreaterThanOrEqual(21)
  }
}

test.each([
  ['after a clean stop', true],
  ['after a crash', false],
])('a flipped byte below the recovery point, %s', async (_name, clean) => {
  await filled()
  // The record's value, in the middle of the segment.
  const position = Math.floor(fs.statSync(segment(1)).size / 2)
  flip(segment(1), position)
  if (!clean) fs.rmSync(path.join(dir, '.kafka_cleanshutdown'))
  const running = await start()
  await othersServe(running, 1)
  await using client = createClient({ broker: running })
  const answer = await code(() => fetchFrom(client, 'events', { partition: 1, offset: 0 }))
  const later = await code(() => fetchFrom(client, 'events', { partition: 1, offset: 10 }))
  expect(['CORRUPT_MESSAGE', 'KAFKA_STORAGE_ERROR']).toContain(answer === 'NONE' ? later : answer)
  const lines = logged.filter(({ message }) => message.includes(segment(1)))
  expect(lines.length).toBeGreaterThanOrEqual(1)
  expect(lines[0]!.message).toMatch(/byte|position/)
  expect(lines[0]!.level).toMatch(/error|warn/)
  await othersServe(running, 1)
})

test('what cannot be read is not written to either, and its bytes stay as they are', async () => {
  await filled()
  flip(segment(1), 100)
  fs.rmSync(path.join(dir, '.kafka_cleanshutdown'))
  const before = fs.readFileSync(segment(1))
  const running = await start()
  await using client = createClient({ broker: running })
  const records = encodeRecordBatch([{ key: null, value: 'x', timestamp: 1 }])
  const topicData = [{ name: 'events', partitionData: [{ index: 1, records }] }]
  const body = { acks: -1, timeoutMs: 1000, topicData }
  const response = await client.request(apis.produce, body, { nodeId: 1 }, { maxVersion: 12 })
  const { errorCode } = response.responses[0]!.partitionResponses[0]!
  expect(errorByCode(errorCode)).toMatchObject({ name: 'KAFKA_STORAGE_ERROR', retriable: true })
  await running.close()
  expect(fs.readFileSync(segment(1))).toEqual(before)
  // Restored from a copy, it serves again.
  flip(segment(1), 100)
  await using again = await start()
  expect((await readTopic(again.brokers, 'events', partitions))[1]).toHaveLength(20)
})

test('a torn tail above the recovery point is cut, and all that was acknowledged is there', async () => {
  await filled()
  fs.rmSync(path.join(dir, '.kafka_cleanshutdown'))
  fs.appendFileSync(segment(2), Buffer.alloc(300, 0x5a))
  const running = await start()
  const stored = await readTopic(running.brokers, 'events', partitions)
  expect(stored.map((records) => records.length)).toEqual([20, 20, 20])
  await othersServe(running, -1)
  expect(logged.some(({ message }) => message.includes(`cut 300 bytes from ${segment(2)}`))).toBe(
    true,
  )
})
