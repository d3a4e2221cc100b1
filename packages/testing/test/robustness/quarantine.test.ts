/* Bit rot in a sealed segment: an error where it is, and everything else goes on. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type Broker, createBroker } from '@kfk/broker'
import { type Client, createAdmin, createClient } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { openLogDirectory } from '@kfk/log-store'
import { createProducer } from '@kfk/producer'
import { apis, batches, errorCodes, recordBatchFormat } from '@kfk/protocol'
import { Kafka, logLevel } from 'kafkajs'
import { fetchFrom } from './support/stored-records.js'

const perPartition = 40
const rotten = 1
let dir: string
let logged: string[]
let broker: Broker | undefined

beforeEach(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-quarantine-'))
  logged = []
  await filled()
})
afterEach(async () => {
  await broker?.close()
  fs.rmSync(dir, { recursive: true, force: true })
})

async function start(): Promise<Broker> {
  const note = (message: string) => void logged.push(message)
  const logger = { debug: () => undefined, info: note, warn: note, error: note }
  broker = await createBroker({ dataDir: dir, port: 0, logger })
  return broker
}

/** Two partitions of many small segments, a batch for each record, and a clean stop. */
async function filled(): Promise<void> {
  const running = await start()
  await using admin = createAdmin({ broker: running })
  const configs = { 'segment.bytes': '1000' }
  await admin.createTopics([{ name: 'events', partitions: 2, configs }])
  await using producer = createProducer({ broker: running })
  for (let number = 0; number < perPartition; number++) {
    for (const partition of [0, 1]) {
      await producer.send('events', { value: `${number}`.padEnd(100), partition })
    }
  }
  await running.close()
}

interface Place {
  readonly file: string
  readonly position: number
  /** The batch that is spoiled. */
  readonly offset: number
  /** Where the next segment begins. */
  readonly nextSoundOffset: number
}

/** The third batch of the rotten partition's second segment. */
function findPlace(): Place {
  const folder = path.join(dir, `events-${rotten}`)
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.log'))
  expect(files.length).toBeGreaterThanOrEqual(4)
  const [, second, third] = files.sort()
  const file = path.join(folder, second!)
  const [first, next, spoiled] = [...batches(fs.readFileSync(file))]
  return {
    file,
    position: first!.bytes.length + next!.bytes.length,
    offset: spoiled!.header.baseOffset,
    nextSoundOffset: Number.parseInt(third!, 10),
  }
}

function flip(file: string, position: number): void {
  const bytes = fs.readFileSync(file)
  bytes[position]! ^= 0x40
  fs.writeFileSync(file, bytes)
}

const found = {
  /** The length of a batch: a read cannot go beyond it, and says so. */
  'by a read': async ({ file, position }: Place) => flip(file, position + 8),
  /** A record: only a look at checksums finds it. */
  'by scrubbing': async ({ file, position }: Place) => {
    flip(file, position + 80)
    await using directory = await openLogDirectory(dir, { format: recordBatchFormat })
    const { damaged } = await directory.scrub(`events-${rotten}`)
    expect(damaged).toMatchObject([{ path: file, position }])
  },
}

async function errorAt(client: Client, offset: number): Promise<string> {
  const fetched = fetchFrom(client, 'events', { partition: rotten, offset })
  return fetched.then(
    ({ records }) => `${records[0]!.offset}..${records.at(-1)!.offset}`,
    (error: unknown) => (error as Error).message,
  )
}

describe.each(Object.entries(found))('damage found %s', (name, spoil) => {
  test('is CORRUPT_MESSAGE there, and nowhere else', async () => {
    const place = findPlace()
    const { offset, nextSoundOffset } = place
    await spoil(place)
    const running = await start()
    await using client = createClient({ broker: running })
    // Twice: what was found is known afterwards.
    for (let turn = 0; turn < 2; turn++) {
      for (let at = 0; at < perPartition; at++) {
        const answer = await errorAt(client, at)
        if (at >= offset && at < nextSoundOffset)
          expect([at, answer]).toEqual([at, 'CORRUPT_MESSAGE'])
        else expect(answer).toMatch(new RegExp(`^${at}\\.\\.`))
      }
    }
    // Once by each broker that meets it: what the scrubber found before says when that was.
    const told = logged.filter((line) => line.includes(`${place.file} at byte ${place.position}`))
    expect(told).toHaveLength(1)
    expect(told[0]!.includes('(found 2')).toBe(name === 'by scrubbing')
  })

  test('holds up no other partition of the same fetch, nor appends', async () => {
    const place = findPlace()
    await spoil(place)
    const running = await start()
    await using client = createClient({ broker: running })
    const { nodeId } = await client.metadata.leader('events', 0)
    const partitions = [1, 0].map((partition) => ({
      partition,
      fetchOffset: place.offset,
      partitionMaxBytes: 100_000,
    }))
    const body = {
      // Would be waited for if the error did not end the wait.
      maxWaitMs: 600_000,
      minBytes: 1_000_000,
      topics: [{ topic: 'events', partitions }],
      forgottenTopicsData: [],
    }
    const response = await client.request(apis.fetch, body, { nodeId }, { maxVersion: 12 })
    const [bad, good] = response.responses[0]!.partitions
    const highWatermark = perPartition
    expect(bad).toMatchObject({ partitionIndex: 1, errorCode: errorCodes.CORRUPT_MESSAGE })
    expect(good).toMatchObject({ partitionIndex: 0, errorCode: 0, highWatermark })
    expect(good!.records!.length).toBeGreaterThan(0)
    await using producer = createProducer({ client })
    await producer.send('events', { value: 'more', partition: rotten })
    expect(await errorAt(client, perPartition)).toBe(`${perPartition}..${perPartition}`)
    // Nor does the next start forget it.
    await running.close()
    const again = await start()
    await using later = createClient({ broker: again })
    expect(await errorAt(later, place.offset)).toBe('CORRUPT_MESSAGE')
    expect(await errorAt(later, perPartition)).toBe(`${perPartition}..${perPartition}`)
  })

  test('a consumer reads up to it and is told where it is', async () => {
    const place = findPlace()
    await spoil(place)
    const running = await start()
    const read: number[] = []
    const reading = async () => {
      await using consumer = createConsumer({
        broker: running,
        topics: ['events'],
        from: 'earliest',
      })
      for await (const { partition, offset } of consumer) {
        if (partition === rotten) read.push(Number(offset))
      }
    }
    await expect(reading()).rejects.toMatchObject({
      message: expect.stringMatching(/CORRUPT_MESSAGE/),
      details: { topic: 'events', partition: rotten, offset: place.offset },
    })
    expect(read).toEqual(Array.from({ length: place.offset }, (_, offset) => offset))
  })

  test('kafkajs says CORRUPT_MESSAGE', async () => {
    const place = findPlace()
    await spoil(place)
    const running = await start()
    const kafka = new Kafka({
      brokers: [`${running.host}:${running.port}`],
      logLevel: logLevel.NOTHING,
      retry: { retries: 0, restartOnFailure: async () => false },
    })
    const consumer = kafka.consumer({ groupId: 'readers', maxWaitTimeInMs: 50 })
    const crashed = new Promise<Error>((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error))
    })
    await consumer.connect()
    await consumer.subscribe({ topic: 'events', fromBeginning: true })
    await consumer.run({ eachMessage: async () => undefined })
    expect(await crashed).toMatchObject({ cause: { type: 'CORRUPT_MESSAGE' } })
    await consumer.disconnect()
  })
})
