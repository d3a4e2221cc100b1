/* Kafka's DumpLogSegments accepts whatever the store leaves on the disk, in all of its modes. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  type Clock,
  type Log,
  type LogDirectory,
  type LogOptions,
  openLogDirectory,
} from '@kfk/log-store'
import {
  type CompressionType,
  encodeRecordBatch,
  recordBatchFormat,
  stampLogAppendTime,
  writeControlRecord,
} from '@kfk/protocol'
import { type JavaTools, peers, startJavaTools, withPeer } from '../src/index'
import { kafkaDump, type KafkaDump } from './support/kafka-dump'

const start = 1_700_000_000_000
const codecs: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const name = 'topic-0'

const clock: Omit<Clock, 'now'> = {
  monotonicMs: () => performance.now(),
  setTimer: () => ({ cancel: () => undefined }),
}

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'kfk-dump-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

async function open(
  options: Partial<LogOptions> = {},
  at = dir,
): Promise<{ directory: LogDirectory; log: Log }> {
  const defaults = { segmentBytes: 3000, indexIntervalBytes: 300, fileDeleteDelayMs: 0, ...options }
  const directory = await openLogDirectory(at, {
    format: recordBatchFormat,
    defaults: { retentionMs: -1, ...defaults },
    offsetGaps: true,
    // When the records were young: producers are forgotten after a day.
    clock: { ...clock, now: () => start + 60_000 },
  })
  return { directory, log: await directory.open(name) }
}

/** Batch `n` of a log: 1 to 7 records, timestamps that jump back and forth. */
function batch(n: number, compression: CompressionType = 'none', baseOffset = 0): Uint8Array {
  const records = Array.from({ length: 1 + (n % 7) }, (_, at) => ({
    key: at % 3 === 0 ? null : `key ${(n * 5 + at) % 11}`,
    value: at % 5 === 4 ? null : `value ${n} ${at} `.repeat(1 + ((n * 7) % 13)),
    timestamp: start + n * 1000 + ((n * 7919 + at * 104_729) % 9000) - 5000,
    headers: at === 2 ? [{ key: 'h', value: Buffer.from('x') }] : [],
  }))
  return encodeRecordBatch(records, { compression, baseOffset })
}

async function append(log: Log, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    log.append(batch(n, codecs[n % codecs.length]), { leaderEpoch: Math.floor(n / 30) })
    // Some batches go out alone, some together.
    if (n % 3 === 0) log.flushNow()
  }
  await log.whenAcknowledged(log.logEndOffset)
}

/** What is there now, as a crash would leave it, without the last `lostBytes`. */
function crashedCopy(lostBytes: number): string {
  const copy = mkdtempSync(path.join(tmpdir(), 'kfk-dump-crashed-'))
  cpSync(dir, copy, { recursive: true })
  rmSync(path.join(copy, '.lock'), { force: true })
  rmSync(path.join(copy, 'kfk.lock'), { force: true })
  const logs = readdirSync(path.join(copy, name)).filter((file) => file.endsWith('.log'))
  const last = path.join(copy, name, logs.sort().at(-1)!)
  truncateSync(last, Math.max(0, statSync(last).size - lostBytes))
  return copy
}

withPeer(peers.kafka(), "Kafka's DumpLogSegments accepts", () => {
  let java: JavaTools
  beforeAll(async () => {
    java = await startJavaTools()
  })
  afterAll(() => java?.stop())

  async function accepted(at = dir): Promise<KafkaDump> {
    const dump = await kafkaDump(java, path.join(at, name))
    expect({ problems: dump.problems }).toEqual({ problems: [] })
    return dump
  }

  test.each(codecs)('many segments of %s, timestamps back and forth', async (codec) => {
    const { directory, log } = await open({ segmentBytes: 2000 })
    for (let n = 0; n < 60; n++) log.append(batch(n, codec), { leaderEpoch: 0 })
    const segments = log.stats().segments
    await directory.close()
    expect(segments).toBeGreaterThan(3)
    const dump = await accepted()
    expect(dump).toMatchObject({ records: log.logEndOffset, gaps: [] })
    expect(dump.files.filter((file) => file.endsWith('.timeindex'))).toHaveLength(segments)
  })

  test('LogAppendTime, equal times, no time at all', async () => {
    const { directory, log } = await open()
    for (let n = 0; n < 40; n++) {
      const bytes = batch(n, codecs[n % codecs.length])
      if (n % 4 < 2) stampLogAppendTime(bytes, start + Math.floor(n / 8) * 1000)
      log.append(bytes, { leaderEpoch: 0 })
      const none = [{ key: null, value: 'x'.repeat(n * 5), timestamp: -1 }]
      if (n % 4 === 3) log.append(encodeRecordBatch(none), { leaderEpoch: 0 })
    }
    await directory.close()
    expect(await accepted()).toMatchObject({ records: log.logEndOffset, gaps: [] })
  })

  test('transactions and their markers', async () => {
    const { directory, log } = await open({ segmentBytes: 2000 })
    for (let n = 0; n < 40; n++) {
      const producer = { producerId: BigInt(4000 + (n % 3)), producerEpoch: 0 }
      const records = [{ key: 'k', value: `value ${n}`, timestamp: start + n }]
      const options = { ...producer, baseSequence: Math.floor(n / 3), transactional: true }
      log.append(encodeRecordBatch(records, options), { leaderEpoch: 0 })
      const type = n % 2 === 0 ? 'commit' : 'abort'
      const marker = { type, coordinatorEpoch: 3 } as const
      if (n % 4 < 3) {
        const bytes = writeControlRecord(marker, { ...producer, timestamp: start + n + 1000 })
        log.append(bytes, { leaderEpoch: 0 })
      }
    }
    await log.whenAcknowledged(log.logEndOffset)
    const aborted = (await log.abortedTransactions(log.logStartOffset, log.logEndOffset)).length
    expect(aborted).toBeGreaterThan(5)
    await directory.close()
    const dump = await accepted()
    expect(dump).toMatchObject({ records: log.logEndOffset, gaps: [] })
    expect(dump.producers).toEqual(
      expect.arrayContaining([expect.stringMatching(/^producerId: 4002 .*coordinatorEpoch: 3/)]),
    )
    expect(dump.producers.filter((line) => line.startsWith('version'))).toHaveLength(aborted)
  })

  test('a log that was truncated: within a segment, to older ones, to nothing', async () => {
    const { directory, log } = await open()
    await append(log, 0, 60)
    for (const end of [log.logEndOffset - 1, log.logEndOffset - 30, log.logEndOffset - 100, 17]) {
      await log.truncateTo(end)
      expect(log.logEndOffset).toBeLessThanOrEqual(end)
      const copy = crashedCopy(0)
      const reopened = await open({}, copy)
      await reopened.directory.close()
      expect(await accepted(copy)).toMatchObject({ records: log.logEndOffset, gaps: [] })
      rmSync(copy, { recursive: true })
      await append(log, 60, 75)
    }
    await log.truncateTo(0)
    await append(log, 5, 25)
    await directory.close()
    expect(await accepted()).toMatchObject({ records: log.logEndOffset, gaps: [] })
  })

  test('a log whose beginning was deleted, by size and on request', async () => {
    const { directory, log } = await open({ retentionBytes: 5000 })
    await append(log, 0, 60)
    await directory.applyRetention()
    expect(log.logStartOffset).toBeGreaterThan(0)
    const first = log.logStartOffset
    await accepted()
    await append(log, 60, 70)
    await log.advanceLogStart(first + 40)
    await directory.close()
    const dump = await accepted()
    expect(dump.files).not.toContain(`${'0'.repeat(20)}.log`)
    const reopened = await open({})
    expect(reopened.log.logStartOffset).toBe(first + 40)
    await append(reopened.log, 70, 80)
    await reopened.directory.close()
    await accepted()
  })

  test.each([0, 1, 40, 700])(
    'a log that lost its last %i bytes and was recovered',
    async (lost) => {
      const { directory, log } = await open()
      await append(log, 0, 50)
      const copy = crashedCopy(lost)
      await directory.close()
      const reopened = await open({}, copy)
      const end = reopened.log.logEndOffset
      expect(end).toBeLessThanOrEqual(log.logEndOffset)
      await accepted(copy)
      await append(reopened.log, 50, 70)
      const { logEndOffset } = reopened.log
      await reopened.directory.close()
      expect(await accepted(copy)).toMatchObject({ records: logEndOffset, gaps: [] })
      rmSync(copy, { recursive: true })
    },
  )

  test('a log of which recovery has set something aside, under a name that Kafka does not know', async () => {
    const { directory, log } = await open()
    await append(log, 0, 50)
    const copy = crashedCopy(0)
    await directory.close()
    const logs = readdirSync(path.join(copy, name)).filter((file) => file.endsWith('.log'))
    const last = path.join(copy, name, logs.sort().at(-1)!)
    const bytes = readFileSync(last)
    bytes[90]! ^= 1
    writeFileSync(last, bytes)
    rmSync(path.join(copy, 'recovery-point-offset-checkpoint'), { force: true })
    rmSync(path.join(copy, 'kfk.recovery-points'), { force: true })
    rmSync(path.join(copy, 'kfk.recovery-point-offset-checkpoint.crc'), { force: true })
    const reopened = await open({}, copy)
    const { logEndOffset } = reopened.log
    await reopened.directory.close()
    const names = readdirSync(path.join(copy, name)).filter((file) => file.startsWith('kfk.'))
    expect(names).toContainEqual(expect.stringMatching(/^kfk\.quarantine\.\d+\.\d{20}\.log\.cut$/))
    const kafkas = /\.(log|index|timeindex|txnindex|snapshot|swap|cleaned|deleted)$/
    expect(names.filter((file) => kafkas.test(file))).toEqual([])
    expect(await accepted(copy)).toMatchObject({ records: logEndOffset, gaps: [] })
    rmSync(copy, { recursive: true })
  })

  test('a log with offsets missing, also more than an index entry can express', async () => {
    const { directory, log } = await open()
    const jumps = [3, 1000, 2 ** 31 - 10, 2 ** 31 + 10, 5, 2 ** 33, 1]
    const expected: string[] = []
    for (let n = 0; n < 70; n++) {
      const jump = n % 10 === 9 ? jumps[Math.floor(n / 10)]! : 0
      const end = log.logEndOffset
      log.appendReplicated(batch(n, 'none', end + jump))
      if (jump > 0) expected.push(`${end - 1} is followed by ${end + jump}`)
      if (n % 4 === 0) await log.whenAcknowledged(log.logEndOffset)
    }
    await log.whenAcknowledged(log.logEndOffset)
    const copy = crashedCopy(0)
    const end = log.logEndOffset
    await directory.close()
    const dump = await accepted()
    expect(expected).toEqual(expect.arrayContaining([...dump.gaps]))
    expect(dump.gaps.length).toBeGreaterThan(2)
    const reopened = await open({}, copy)
    expect(reopened.log.logEndOffset).toBe(end)
    await reopened.directory.close()
    await accepted(copy)
    rmSync(copy, { recursive: true })
  })

  test('a log that was compacted', async () => {
    const { directory, log } = await open({ cleanupPolicy: 'compact', minCompactionLagMs: 0 })
    for (let n = 0; n < 80; n++) {
      const records = Array.from({ length: 4 }, (_, at) => {
        const lasting = at === 3 && n % 9 === 0
        const key = lasting ? `only ${n}` : `key ${(n * 5 + at) % 11}`
        const value = n % 13 === 12 ? null : `value ${n} ${at} `.repeat(8)
        return { key, value, timestamp: start + n * 10 - at * 3 }
      })
      const bytes = encodeRecordBatch(records, { compression: codecs[n % codecs.length] })
      log.append(bytes, { leaderEpoch: 0 })
    }
    await log.whenAcknowledged(log.logEndOffset)
    const [report] = await directory.compact(name)
    expect(report!.segmentsAfter).toBeLessThan(report!.segmentsBefore)
    await directory.close()
    const dump = await accepted()
    expect(dump.gaps.length).toBeGreaterThan(5)
    expect(dump.records).toBeLessThan(log.logEndOffset / 2)
  })

  test('full indexes, segments of one batch, a log without any', async () => {
    const { directory, log } = await open({ segmentIndexBytes: 100, indexIntervalBytes: 1 })
    await append(log, 0, 60)
    log.roll()
    const empty = await directory.open('empty-0')
    await empty.flush()
    await directory.close()
    for (const file of readdirSync(path.join(dir, name))) {
      if (/index$/.test(file)) {
        expect({ file, small: statSync(path.join(dir, name, file)).size <= 100 }).toEqual({
          file,
          small: true,
        })
      }
    }
    expect(await accepted()).toMatchObject({ records: log.logEndOffset, gaps: [] })
    expect((await kafkaDump(java, path.join(dir, 'empty-0'))).problems).toEqual([])
  })

  test.each([
    ['the time index of another segment', 'timeindex', undefined, /timestamp mismatch|not found/],
    ['a time index that is out of order', 'timeindex', 7, /out of order|timestamp mismatch/],
    ['an index that points elsewhere', 'index', 7, /Mismatches in|Exception/],
    ['a record that was changed', 'log', 70, /isvalid: false|Exception/],
  ])('nothing that is wrong: %s', async (_what, suffix, at, told) => {
    const { directory, log } = await open()
    await append(log, 0, 60)
    await directory.close()
    const files = readdirSync(path.join(dir, name)).sort()
    const [first, second] = files.filter((file) => file.endsWith(`.${suffix}`))
    const target = path.join(dir, name, first!)
    if (at === undefined) cpSync(path.join(dir, name, second!), target)
    else {
      const bytes = readFileSync(target)
      bytes[at]! ^= 0x40
      writeFileSync(target, bytes)
    }
    const { problems } = await kafkaDump(java, path.join(dir, name))
    expect(problems.join('\n')).toMatch(told)
  })
})
