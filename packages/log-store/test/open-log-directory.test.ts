import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { frameFormat, memoryFileSystem, nodeFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log } from '../src/index'

const payload = (n: number) =>
  frameFormat.encode(Buffer.from(`record ${n}`), { timestamp: 1000 + n })

async function readAll(log: Log): Promise<string[]> {
  const values: string[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 1000 })
    for (const frame of frameFormat.decode(slice.bytes)) {
      values.push(Buffer.from(frame.value).toString())
    }
    from = slice.nextOffset
  }
  return values
}

describe.each(['memory', 'node'])('a log directory on the %s file system', (kind) => {
  let path: string
  let fileSystem: FileSystem
  beforeEach(() => {
    path = kind === 'node' ? mkdtempSync(join(tmpdir(), 'kfk-store-')) : '/data'
    fileSystem = kind === 'node' ? nodeFileSystem : memoryFileSystem()
  })
  afterEach(() => {
    if (kind === 'node') rmSync(path, { recursive: true })
  })

  test('what was acknowledged is there after closing and opening', async () => {
    const first = await openLogDirectory(path, { fileSystem, defaults: { segmentBytes: 500 } })
    const log = await first.open('orders-0')
    for (let n = 0; n < 50; n++) log.append(payload(n), { leaderEpoch: 3 })
    expect(log.logEndOffset).toBe(50)
    expect(log.acknowledgedOffset).toBe(0)
    await log.whenAcknowledged(50)
    expect(log.recoveryPoint).toBe(50)
    const expected = Array.from({ length: 50 }, (_, n) => `record ${n}`)
    expect(await readAll(log)).toEqual(expected)
    await first.close()

    const second = await openLogDirectory(path, { fileSystem, defaults: { segmentBytes: 500 } })
    expect(second.cleanStart).toBe(true)
    expect(second.names()).toEqual(['orders-0'])
    const again = await second.open('orders-0')
    expect(again.logEndOffset).toBe(50)
    expect(again.latestEpoch).toBe(3)
    expect(await readAll(again)).toEqual(expected)
    expect(await again.offsetForTimestamp(1025)).toEqual({
      offset: 25,
      timestamp: 1025,
      leaderEpoch: 3,
    })
    await second.close()
  })
})
