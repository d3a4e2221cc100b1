// What opening after a crash does: the log is read, every checksum compared, and with Kafka's batches the producers are
// noted. Against a plain read of the file, one that computes the checksum of it, and for small frames the least that Node
// itself needs.
import { bareScan } from '../bare-scan.mjs'
import {
  bareRateFigures,
  fill,
  forgetCleanClose,
  frameOf,
  mib,
  openOne,
  rateFigures,
  recordBatchOf,
  repeated,
  stopwatch,
  store,
} from '../fixture.mjs'

const logFile = (dir) => `${dir}/bench-0/${'0'.repeat(20)}.log`
const { recordBatchFormat } = store

// Beside the plain read: the work that a format with checksums cannot do without.
const against = 'checkedBytesPerSecond'
const checkedFigures = [
  { key: 'bytesPerSecond', label: 'checked read', unit: 'MB/s', against },
  {
    key: 'cpuSecondsPerGb',
    label: 'CPU, checked read',
    unit: 's/GB',
    against: 'checkedCpuSecondsPerGb',
  },
]

function scanCase(name, { group, format, aim, polynomial = 'edb88320', bare }) {
  return ({ quick }) => {
    const bytes = (quick ? 128 : 512) * mib
    return {
      name,
      figures: [...rateFigures(aim), ...checkedFigures, ...(bare ? bareRateFigures : [])],
      async prepare({ dir }) {
        const { directory, log } = await openOne(dir, { format })
        fill(log, group(), bytes)
        await directory.close()
      },
      baseline: ({ dir }) => ['scan', logFile(dir), mib, polynomial],
      bare:
        bare &&
        (({ dir }) => {
          const watch = stopwatch()
          return watch(bareScan(logFile(dir)))
        }),
      async measure({ dir }) {
        forgetCleanClose(dir)
        let scanned = 0
        const onReport = ({ details }) => (scanned += details?.scannedBytes ?? 0)
        const watch = stopwatch()
        const { directory } = await openOne(dir, { format, onReport })
        const figures = watch(scanned)
        if (scanned < bytes) throw new Error(`only ${scanned} bytes were scanned`)
        await directory.close()
        return figures
      },
    }
  }
}

const aim = { atLeast: 1e9, shown: 1000 }
const cases = [
  scanCase('recovery scan, frames of 16 KB', { group: () => repeated(frameOf(16384), 64), aim }),
  scanCase('recovery scan, frames of 1 KB', { group: () => repeated(frameOf(1024), 1024), aim }),
  scanCase('recovery scan, frames of 134 B', {
    group: () => repeated(frameOf(134), 7800),
    bare: true,
  }),
  scanCase("recovery scan, Kafka's batches of 16 KB", {
    group: () => repeated(recordBatchOf(16384), 64),
    format: recordBatchFormat,
    polynomial: '82f63b78',
    aim,
  }),
  scanCase("recovery scan, Kafka's batches of 1 KB", {
    group: () => repeated(recordBatchOf(1024), 1024),
    format: recordBatchFormat,
    polynomial: '82f63b78',
    aim,
  }),
]

export default { name: 'recovery-scan', cases: (context) => cases.map((each) => each(context)) }
