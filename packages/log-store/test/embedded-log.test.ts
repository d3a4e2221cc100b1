// Property: the easy log gives records back in order, follows, and ends when told to.
import { memoryFileSystem, openLog } from '../src/index'
import type { EmbeddedRecord } from '../src/index'

const text = (record: EmbeddedRecord) => Buffer.from(record.value).toString()

async function collect(records: AsyncIterable<EmbeddedRecord>, count: number): Promise<string[]> {
  const found: string[] = []
  for await (const record of records) {
    found.push(text(record))
    if (found.length === count) break
  }
  return found
}

test('appends, reads from an offset, finds by time', async () => {
  await using log = await openLog('/events', { fileSystem: memoryFileSystem(), segmentBytes: 300 })
  const offsets = await Promise.all(
    Array.from({ length: 40 }, (_, n) => log.append(`record ${n}`, { timestamp: 1000 + n })),
  )
  expect(offsets).toEqual(Array.from({ length: 40 }, (_, n) => n))
  expect([log.startOffset, log.endOffset]).toEqual([0, 40])
  expect(await collect(log.read({ from: 37 }), 99)).toEqual(['record 37', 'record 38', 'record 39'])
  expect(await log.offsetAt(1017)).toBe(17)
})

test('keys and values are kept', async () => {
  await using log = await openLog('/events', { fileSystem: memoryFileSystem() })
  await log.append('v', { key: 'k', timestamp: 5 })
  await log.append(new Uint8Array(0))
  const records: EmbeddedRecord[] = []
  for await (const record of log.read()) records.push(record)
  expect(records[0]).toMatchObject({ offset: 0, timestamp: 5 })
  expect(Buffer.from(records[0]!.key!).toString()).toBe('k')
  expect(records[1]!.key).toBeNull()
})

test('follow goes on with what comes, until the signal or the end', async () => {
  const log = await openLog('/events', { fileSystem: memoryFileSystem() })
  await log.append('one')
  const three = collect(log.follow(), 3)
  await log.append('two')
  await log.append('three')
  expect(await three).toEqual(['one', 'two', 'three'])

  const abort = new AbortController()
  const aborted = collect(log.follow({ from: 2, signal: abort.signal }), 99)
  const closed = collect(log.follow({ from: 1 }), 99)
  await new Promise((resolve) => setImmediate(resolve))
  abort.abort()
  expect(await aborted).toEqual(['three'])
  await log.close()
  expect(await closed).toEqual(['two', 'three'])
})

test('one process at a time', async () => {
  const fileSystem = memoryFileSystem()
  const log = await openLog('/events', { fileSystem })
  await expect(openLog('/events', { fileSystem })).rejects.toMatchObject({
    code: 'KFK_STORE_LOCKED',
  })
  await log.close()
  await (await openLog('/events', { fileSystem })).close()
})
