import { frameFormat, memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogDirectoryOptions } from '../src/index'
import { ManualClock } from './support/manual-clock'

interface Opened {
  readonly directory: LogDirectory
  readonly log: Log
  readonly fileSystem: FileSystem
  readonly clock: ManualClock
  readonly reports: string[]
}

async function open(
  options: LogDirectoryOptions = {},
  fileSystem: FileSystem = options.fileSystem ?? memoryFileSystem(),
  clock = new ManualClock(),
): Promise<Opened> {
  const reports: string[] = []
  const directory = await openLogDirectory('/data', {
    fileSystem,
    clock,
    onReport: ({ message }) => reports.push(message),
    ...options,
    defaults: {
      cleanupPolicy: 'compact',
      segmentBytes: 500,
      indexIntervalBytes: 100,
      ...options.defaults,
    },
  })
  return { directory, log: await directory.open('a-0'), fileSystem, clock, reports }
}

function put(log: Log, key: string | null, value: string | null, timestamp = 1000): number {
  const frame = frameFormat.encode(value, { key, timestamp })
  return log.append(frame, { leaderEpoch: 0 }).baseOffset
}

/** `offset: key=value` of all records. */
async function contents(log: Log): Promise<string[]> {
  const lines: string[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 300 })
    if (slice.bytes.length === 0) break
    for (const { offset, key, value, tombstone } of frameFormat.decode(slice.bytes)) {
      const text = tombstone ? 'null' : Buffer.from(value).toString()
      lines.push(`${offset}: ${key === null ? '-' : Buffer.from(key).toString()}=${text}`)
    }
    from = slice.nextOffset
  }
  return lines
}

test('keeps the latest record of each key, at its offset', async () => {
  const { directory, log } = await open()
  for (let n = 0; n < 60; n++) put(log, `k${n % 5}`, `v${n}`)
  log.roll()
  put(log, 'k0', 'active')
  await log.flush()
  const before = log.logEndOffset
  const [report] = await directory.compact('a-0')
  expect(report).toMatchObject({ name: 'a-0', passes: 1, recordsBefore: 60, recordsAfter: 5 })
  expect(report!.bytesAfter).toBeLessThan(report!.bytesBefore / 5)
  expect(report!.segmentsAfter).toBe(1)
  expect(await contents(log)).toEqual([
    '55: k0=v55',
    '56: k1=v56',
    '57: k2=v57',
    '58: k3=v58',
    '59: k4=v59',
    '60: k0=active',
  ])
  expect(log.logEndOffset).toBe(before)
  expect(log.logStartOffset).toBe(0)
  await directory.close()
})
