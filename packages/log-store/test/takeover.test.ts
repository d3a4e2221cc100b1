// Property: what Kafka wrote into a directory in between counts; what merely changed does not.
import { memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, LogDirectory, StoreReport } from '../src/index'
import { writeFully } from '../src/fs/file-system'
import { ManualClock } from './support/manual-clock'
import { readAll, record } from './support/records'

let fileSystem: FileSystem
let reports: StoreReport[]

beforeEach(async () => {
  fileSystem = memoryFileSystem()
  reports = []
  const directory = await open()
  const log = await directory.open('a-0')
  for (let n = 0; n < 20; n++) log.append(record(`record ${n}`), { leaderEpoch: n < 9 ? 3 : 4 })
  await log.whenAcknowledged(20)
  await log.advanceLogStart(5)
  await directory.close()
})

function open(): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    onReport: (report) => reports.push(report),
  })
}

function write(name: string, text: string): void {
  const handle = fileSystem.open(`/data/${name}`, 'write')
  handle.truncateSync(0)
  writeFully(handle, [Buffer.from(text)], 0)
  handle.close()
}

/** What a broker leaves that has deleted records and led the log in a later epoch. */
function writeAsKafka(): void {
  write('log-start-offset-checkpoint', '0\n1\na 0 11\n')
  write('a-0/leader-epoch-checkpoint', '0\n1\n4 11\n')
}

async function expectKafkas(): Promise<void> {
  const directory = await open()
  const log = await directory.open('a-0')
  expect([log.logStartOffset, log.logEndOffset]).toEqual([11, 20])
  expect([log.epochAt(11), log.epochEnd(3).endOffset]).toEqual([4, 11])
  expect([...(await readAll(log)).keys()]).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19])
  await directory.close()
}

test('after a clean stop of Kafka, whose marker tells', async () => {
  writeAsKafka()
  write('.kafka_cleanshutdown', '{"version":0,"brokerEpoch":11}')
  await expectKafkas()
  expect(reports).toMatchObject([{ kind: 'taken-over', details: { changed: 2 } }])
  reports = []
  await expectKafkas()
  expect(reports).toEqual([])
})

test('after a crash of Kafka, which has removed the marker but not the list of logs', async () => {
  writeAsKafka()
  write('kfk.logs', '')
  await fileSystem.remove('/data/.kafka_cleanshutdown')
  await expectKafkas()
  expect(reports.map(({ kind }) => kind)).toContain('taken-over')
  expect(reports.map(({ kind }) => kind)).not.toContain('checkpoint-unreadable')
})

test('files that Kafka has removed are not missed', async () => {
  write('.kafka_cleanshutdown', '{"version":0,"brokerEpoch":11}')
  await fileSystem.remove('/data/a-0/leader-epoch-checkpoint')
  await fileSystem.remove('/data/log-start-offset-checkpoint')
  const directory = await open()
  const log = await directory.open('a-0')
  expect([log.logStartOffset, log.epochAt(0), log.epochAt(9)]).toEqual([0, 3, 4])
  await directory.close()
  expect(reports.map(({ kind }) => kind)).not.toContain('checkpoint-unreadable')
})

test('in no other hands: a checkpoint that has changed is not believed', async () => {
  writeAsKafka()
  // It would tell the same, and better.
  await fileSystem.remove('/data/kfk.logs')
  const directory = await open()
  const log = await directory.open('a-0')
  expect(log.logStartOffset).toBe(0)
  expect([log.epochAt(0), log.epochAt(9)]).toEqual([3, 4])
  await directory.close()
  const unreadable = reports.filter(({ kind }) => kind === 'checkpoint-unreadable')
  expect(unreadable).toHaveLength(2)
  expect(reports.map(({ kind }) => kind)).not.toContain('taken-over')
})
