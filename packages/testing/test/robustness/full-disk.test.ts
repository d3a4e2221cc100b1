/* A disk that is full: an error to retry for who writes, nothing for who reads, and no harm afterwards. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type Broker, createBroker } from '@kfk/broker'
import { createAdmin, createClient } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { apis, encodeRecordBatch, errorByCode } from '@kfk/protocol'
import { eventually } from '../../src/index.js'
import { readTopic } from './support/stored-records.js'

let mountPoint: string
let broker: Broker | undefined

/** A tiny file system of our own; only root may mount one. Answers why there is none. */
function mountSmall(): string | undefined {
  mountPoint = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-full-'))
  try {
    const options = ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', mountPoint]
    execFileSync('mount', options, { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return (error as Error).message.trim()
  }
}

const obstacle = mountSmall()
const mounted = obstacle === undefined

/** To be told aloud on a machine that cannot mount: what the test is about was not looked at there. */
const ifMounted = (run: () => Promise<void>) => async (): Promise<void> => {
  if (mounted) await run()
  else process.stdout.write(`not available: tmpfs volume: ${obstacle}\n`)
}

afterAll(() => {
  if (mounted) execFileSync('umount', [mountPoint])
  fs.rmdirSync(mountPoint)
})

const value = 'v'.repeat(50_000)

describe('a full disk', () => {
  afterEach(async () => {
    await broker?.close()
    fs.rmSync(path.join(mountPoint, 'data'), { recursive: true, force: true })
  })

  test(
    'appends wait with KAFKA_STORAGE_ERROR, reads go on, and space heals it, five times',
    ifMounted(async () => {
      const dataDir = path.join(mountPoint, 'data')
      // Several small segments, so that rolling meets the full disk too.
      const config = { 'log.segment.bytes': '1048576' }
      broker = await createBroker({ dataDir, port: 0, config })
      await using admin = createAdmin({ broker })
      await admin.createTopics([{ name: 'events', partitions: 2 }])
      await using client = createClient({ broker })
      const produce = async (): Promise<{ name: string; retriable: boolean }> => {
        const records = encodeRecordBatch([{ key: null, value, timestamp: Date.now() }])
        const topicData = [{ name: 'events', partitionData: [{ index: 0, records }] }]
        const body = { acks: -1, timeoutMs: 1000, topicData }
        const response = await client.request(apis.produce, body, { nodeId: 1 }, { maxVersion: 12 })
        return errorByCode(response.responses[0]!.partitionResponses[0]!.errorCode)
      }
      const ballast = path.join(mountPoint, 'ballast')
      let stored = 0
      for (let cycle = 0; cycle < 5; cycle++) {
        fs.writeFileSync(ballast, Buffer.alloc(0))
        // What is left of the disk, but for a few records.
        const { bavail, bsize } = fs.statfsSync(mountPoint)
        fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize - 4 * value.length - cycle * 9000))
        let answer = await produce()
        for (; answer.name === 'NONE'; answer = await produce()) stored++
        expect(answer).toMatchObject({ name: 'KAFKA_STORAGE_ERROR', retriable: true })
        expect(await produce()).toMatchObject({ name: 'KAFKA_STORAGE_ERROR' })
        const [records] = await readTopic(broker.brokers, 'events', 2)
        expect(records).toHaveLength(stored)
        fs.rmSync(ballast)
        expect(await produce()).toMatchObject({ name: 'NONE' })
        stored++
      }
      await broker.close()
      broker = await createBroker({ dataDir, port: 0, config })
      const [records] = await readTopic(broker.brokers, 'events', 2)
      expect(records!.every((record) => record.value === value)).toBe(true)
      expect(records).toHaveLength(stored)
    }),
    30_000,
  )

  test(
    'a producer that waits while the disk is full loses and doubles nothing',
    ifMounted(async () => {
      broker = await createBroker({ dataDir: path.join(mountPoint, 'data'), port: 0 })
      await using admin = createAdmin({ broker })
      await admin.createTopics([{ name: 'events', partitions: 1 }])
      const warned: string[] = []
      const warn = (message: string): void => void warned.push(message)
      const logger = { debug: warn, info: warn, warn, error: warn }
      await using producer = createProducer({ broker, retry: { initialMs: 20, maxMs: 50 }, logger })
      const ballast = path.join(mountPoint, 'ballast')
      const { bavail, bsize } = fs.statfsSync(mountPoint)
      fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize - 10 * value.length))
      const sends = Array.from({ length: 30 }, (_, number) =>
        producer.send('events', { value: `${number}:${value}` }, { each: true }),
      )
      let settled = 0
      for (const send of sends) void send.then(() => settled++)
      await eventually('the disk is full', () =>
        fs.statfsSync(mountPoint).bavail * bsize < value.length * 2 ? true : undefined,
      )
      expect(settled).toBeLessThan(sends.length)
      fs.rmSync(ballast)
      const sent = await Promise.all(sends)
      expect(sent.map(({ offset }) => offset)).toEqual(sent.map((_, index) => BigInt(index)))
      const [records] = await readTopic(broker.brokers, 'events', 1)
      expect(records!.map((record) => Number(record.value.split(':')[0]))).toEqual(
        sent.map((_, index) => index),
      )
    }),
    30_000,
  )
})
