// Compaction of a log in which every key was written several times, against a copy of the file.
import { frameOf, leaderEpoch, mib, openOne, rateFigures, stopwatch, store } from '../fixture.mjs'

const logFile = (dir) => `${dir}/source.log`
const valueBytes = 1024
/** Times that each key was written. */
const versions = 4

/** A log of `bytes` in segments of 64 MiB, the last of which is active and short. */
async function writeKeys(dir, bytes) {
  const { directory, log } = await openOne(dir, {
    defaults: { segmentBytes: 64 * mib, cleanupPolicy: 'compact' },
  })
  const records = Math.floor(bytes / valueBytes)
  const keys = Math.floor(records / versions)
  for (let n = 0; n < records; n++) {
    const key = Buffer.from(`key-${(n * 7919) % keys}`.padEnd(16))
    log.append(frameOf(valueBytes, { key }), { leaderEpoch })
    if (n % 512 === 0) log.flushNow()
  }
  log.roll()
  await log.flush()
  return { directory, log }
}

function compactionCase({ quick }) {
  const bytes = (quick ? 64 : 256) * mib
  return {
    name: 'compaction, each key written 4 times',
    figures: rateFigures({ atLeast: 100e6, shown: 100 }),
    async prepare({ dir }) {
      const handle = store.nodeFileSystem.open(logFile(dir), 'write')
      const piece = Buffer.alloc(mib, 'x')
      for (let at = 0; at < bytes; at += mib) handle.writevSync([piece], at)
      handle.close()
    },
    baseline: ({ dir }) => ['copy', logFile(dir), dir, mib],
    async measure({ dir }) {
      const { directory, log } = await writeKeys(`${dir}/log`, bytes)
      try {
        if (typeof directory.compact !== 'function') {
          return { notAvailable: 'not available: this log store does not compact' }
        }
        const before = log.stats().sizeInBytes
        const watch = stopwatch()
        await directory.compact(log.name)
        const figures = watch(before)
        const after = log.stats().sizeInBytes
        if (after > before / 2) throw new Error(`${after} of ${before} bytes are left`)
        return figures
      } finally {
        await directory.delete(log.name)
        await directory.close()
      }
    },
  }
}

export default { name: 'compaction', cases: (context) => [compactionCase(context)] }
