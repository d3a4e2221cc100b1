// The store and Kafka agree on every byte: a directory that Kafka wrote opens, the same batches through
// the store give the same files, and Kafka's own checker accepts what the store writes.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { dumpSegment, openLogDirectory, type Log, type StoreReport } from '@kfk/log-store'
import { batches, decodeRecords, encodeRecordBatch, recordBatchFormat } from '@kfk/protocol'
import { javaTool, peers, withPeer } from '../src/index'

const fixture = path.join(__dirname, '../../log-store/test/fixtures/kafka-4.1')
const options = { segmentMs: 60_000, indexIntervalBytes: 200, retentionMs: -1 }

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'kfk-store-kafka-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

async function open(dataDir: string, reports: StoreReport[] = []) {
  return openLogDirectory(dataDir, {
    format: recordBatchFormat,
    defaults: options,
    onReport: (report) => reports.push(report),
  })
}

async function readBatches(log: Log): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 500 })
    for (const batch of batches(slice.bytes)) found.push(Uint8Array.from(batch.bytes))
    from = slice.nextOffset
  }
  return found
}

async function expectFixture(log: Log): Promise<void> {
  expect([log.logStartOffset, log.logEndOffset, log.latestEpoch]).toEqual([0, 100, 0])
  const records = (await readBatches(log)).flatMap((batch) => decodeRecords(batch))
  expect(records.map((record) => record.offset)).toEqual(Array.from({ length: 100 }, (_, n) => n))
  for (const { offset, value } of records) {
    expect(value && Buffer.from(value).toString()).toBe(offset % 7 === 6 ? null : `value ${offset}`)
  }
  for (const record of records) {
    const first = records.find((other) => other.timestamp >= record.timestamp)!
    expect(await log.offsetForTimestamp(record.timestamp)).toMatchObject({ offset: first.offset })
  }
}

test('a directory that Kafka closed opens without a scan and reads', async () => {
  cpSync(fixture, dir, { recursive: true })
  const reports: StoreReport[] = []
  const directory = await open(dir, reports)
  expect(directory.cleanStart).toBe(true)
  await expectFixture(await directory.open('fixture-0'))
  expect(reports).toEqual([])
  await directory.close()
})

test('a directory that Kafka left open, indexes preallocated, is recovered', async () => {
  cpSync(fixture, dir, { recursive: true })
  rmSync(path.join(dir, '.kafka_cleanshutdown'))
  rmSync(path.join(dir, 'recovery-point-offset-checkpoint'))
  for (const suffix of ['index', 'timeindex']) {
    const file = path.join(dir, 'fixture-0', `00000000000000000061.${suffix}`)
    const padded = Buffer.alloc(suffix === 'index' ? 10_480 : 10_476)
    readFileSync(file).copy(padded)
    writeFileSync(file, padded)
  }
  const directory = await open(dir)
  const log = await directory.open('fixture-0')
  await expectFixture(log)
  const batch = encodeRecordBatch([{ key: null, value: 'more', timestamp: 1_700_000_200_000 }], {})
  expect(log.append(batch, { leaderEpoch: 1 }).baseOffset).toBe(100)
  await log.whenAcknowledged(101)
  await directory.close()
})

test('the same batches through the store give the same files, byte for byte', async () => {
  const source = mkdtempSync(path.join(tmpdir(), 'kfk-store-kafka-source-'))
  cpSync(fixture, source, { recursive: true })
  const from = await open(source)
  const wanted = await readBatches(await from.open('fixture-0'))
  await from.close()
  rmSync(source, { recursive: true })

  const to = await open(dir)
  const log = await to.open('fixture-0')
  for (const batch of wanted) log.appendReplicated(batch)
  await log.whenAcknowledged(100)
  await to.close()
  const compared = readdirSync(path.join(fixture, 'fixture-0')).filter((name) =>
    /\.(log|index|timeindex)$|^leader-epoch-checkpoint$/.test(name),
  )
  expect(compared).toHaveLength(7)
  for (const name of compared) {
    const ours = readFileSync(path.join(dir, 'fixture-0', name)).toString('hex')
    const theirs = readFileSync(path.join(fixture, 'fixture-0', name)).toString('hex')
    expect({ name, bytes: ours }).toEqual({ name, bytes: theirs })
  }
  for (const name of ['recovery-point-offset-checkpoint', 'log-start-offset-checkpoint']) {
    const ours = readFileSync(path.join(dir, name), 'utf8')
    expect({ name, text: ours }).toEqual({
      name,
      text: readFileSync(path.join(fixture, name), 'utf8'),
    })
  }
})

/** Logs of many shapes: batches of different sizes, compression, late and early timestamps, rolls. */
async function writeVaried(): Promise<string[]> {
  const directory = await openLogDirectory(dir, {
    format: recordBatchFormat,
    defaults: { segmentBytes: 30_000, indexIntervalBytes: 500 },
  })
  const log = await directory.open('varied-0')
  let seed = 7
  for (let n = 0; n < 300; n++) {
    seed = (seed * 1103515245 + 12345) % 2147483648
    const records = Array.from({ length: 1 + (seed % 9) }, (_, at) => ({
      key: `key ${at}`,
      value: 'x'.repeat((seed >> 8) % 60),
      timestamp: 1_700_000_000_000 + n * 100 - ((seed >> 4) % 700),
    }))
    const compression = n % 5 === 4 ? 'gzip' : 'none'
    log.append(encodeRecordBatch(records, { compression }), { leaderEpoch: Math.floor(n / 50) })
    if (n % 10 === 9) await log.whenAcknowledged(log.logEndOffset)
  }
  await log.truncateTo(log.logEndOffset - 20)
  log.append(encodeRecordBatch([{ key: null, value: 'end', timestamp: 1_700_000_999_000 }], {}), {
    leaderEpoch: 9,
  })
  await log.whenAcknowledged(log.logEndOffset)
  await directory.close()
  return readdirSync(path.join(dir, 'varied-0'))
    .filter((name) => /\.(log|index|timeindex)$/.test(name))
    .map((name) => path.join(dir, 'varied-0', name))
}

test('the dump finds no problem in what the store and what Kafka wrote', async () => {
  const kafka = readdirSync(path.join(fixture, 'fixture-0'))
    .filter((name) => /\.(log|index|timeindex)$/.test(name))
    .map((name) => path.join(fixture, 'fixture-0', name))
  for (const file of [...(await writeVaried()), ...kafka]) {
    for await (const line of dumpSegment(file, { format: recordBatchFormat, records: true })) {
      expect({ file, ...line }).toMatchObject({ problem: false })
    }
  }
})

withPeer(peers.kafka(), "Kafka's DumpLogSegments", () => {
  test('accepts segments and indexes that the store wrote', async () => {
    const files = await writeVaried()
    expect(files.length).toBeGreaterThan(6)
    const dump = 'kafka.tools.DumpLogSegments'
    const deep = await javaTool(dump, ['--deep-iteration', '--files', files.join(',')])
    const checked = await javaTool(dump, ['--index-sanity-check', '--files', files.join(',')])
    const verified = await javaTool(dump, ['--verify-index-only', '--files', files.join(',')])
    for (const { code, stdout, stderr } of [deep, checked, verified]) {
      expect({ code, stderr }).toMatchObject({ code: 0 })
      expect(stdout).not.toMatch(
        /mismatch|Mismatch|non-consecutive|Non-consecutive|out of order|isvalid: false|corrupt|Exception/,
      )
    }
    expect(checked.stdout).toContain('passed sanity check')
  })
})
