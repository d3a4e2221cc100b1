// Compaction of a log in which every key was written several times, against a copy of the file, and of small frames against
// the least that Node itself needs.
import fs from 'node:fs'
import { bareCompact } from '../bare-scan.mjs'
import {
  bareRateFigures,
  frameOf,
  leaderEpoch,
  mib,
  openOne,
  rateFigures,
  stopwatch,
  store,
} from '../fixture.mjs'

const logFile = (dir) => `${dir}/source.log`
/** Times that each key was written. */
const versions = 4

const keyOf = (n) => Buffer.from(`key-${n}`.padEnd(16))

/** A frame with one record. */
const frames = (frameBytes) => ({
  name: `, frames of ${frameBytes} B`,
  recordBytes: frameBytes,
  recordsPerBatch: 1,
  // Of every four frames three go.
  keyAt: (n, keys) => (n * 7919) % keys,
  batchOf: ([key]) => frameOf(frameBytes, { key }),
})

/** Kafka's batches of some 16 KB, of records with values that compress as JSON does. */
const recordBatches = (valueBytes, compression) => ({
  name: `, Kafka's records, ${valueBytes} B${compression === 'none' ? '' : `, ${compression}`}`,
  recordBytes: valueBytes,
  recordsPerBatch: (16 * 1024) / valueBytes,
  format: store.recordBatchFormat,
  // Drawn at random: nearly every batch keeps some records, and is written anew.
  keyAt: (n, keys) => scrambled(n) % keys,
  batchOf: (keys, n) =>
    store.encodeRecordBatch(
      keys.map((key, index) => ({ key, value: jsonOf(n + index, valueBytes), timestamp: 1 })),
      { compression },
    ),
})

/** A number of 32 bits that looks random. */
function scrambled(n) {
  let x = Math.imul(n + 1, 0x9e3779b1)
  x = Math.imul(x ^ (x >>> 15), 0x85ebca77)
  return (x ^ (x >>> 13)) >>> 0
}

/** Text of words and numbers of which each is different. */
function jsonOf(n, bytes) {
  let text = ''
  for (let seed = scrambled(n); text.length < bytes;) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    text += `{"id":${seed},"kind":"event-${seed % 7}","amount":${seed % 1000}},`
  }
  return text.slice(0, bytes)
}

/** A log of records of `bytes` in all, in segments of 64 MiB, the last of which is active and short. */
async function writeKeys(dir, kind, bytes) {
  const { directory, log } = await openOne(dir, {
    format: kind.format,
    defaults: { segmentBytes: 64 * mib, cleanupPolicy: 'compact' },
  })
  const { recordsPerBatch } = kind
  const records = Math.floor(bytes / kind.recordBytes)
  const keys = Math.floor(records / versions)
  for (let n = 0; n < records; n += recordsPerBatch) {
    const some = Array.from({ length: recordsPerBatch }, (_, i) => keyOf(kind.keyAt(n + i, keys)))
    log.append(kind.batchOf(some, n), { leaderEpoch })
    if (n % 512 === 0) log.flushNow()
  }
  log.roll()
  await log.flush()
  return { directory, log }
}

function compactionCase({ quick }, kind, aim) {
  const bytes = ((quick ? 64 : 256) * mib) / (kind.recordBytes < 1024 ? 4 : 1)
  return {
    name: `compaction${kind.name}`,
    figures: [...rateFigures(aim), ...(kind.bare ? bareRateFigures : [])],
    async prepare({ dir }) {
      const handle = store.nodeFileSystem.open(logFile(dir), 'write')
      const piece = Buffer.alloc(mib, 'x')
      for (let at = 0; at < bytes; at += mib) handle.writevSync([piece], at)
      handle.close()
    },
    baseline: ({ dir }) => ['copy', logFile(dir), dir, mib],
    bare:
      kind.bare &&
      (({ dir }) => {
        bareCompactOnce(dir, kind, bytes / 2)
        return bareCompactOnce(dir, kind, bytes)
      }),
    async measure({ dir }) {
      // Whoever keeps a log open compacts with compiled code.
      await compactOnce(`${dir}/warm-up`, kind, bytes / 2)
      return compactOnce(`${dir}/log`, kind, bytes)
    },
  }
}

/** Writes `bytes` of records and compacts them, which is what the figures are of. */
async function compactOnce(dir, kind, bytes) {
  const { directory, log } = await writeKeys(dir, kind, bytes)
  try {
    const before = log.stats().sizeInBytes
    const watch = stopwatch()
    await directory.compact(log.name)
    // Of records, whatever they compress to.
    const figures = watch(Math.max(before, bytes))
    const after = log.stats().sizeInBytes
    if (after > before / 2) throw new Error(`${after} of ${before} bytes are left`)
    return figures
  } finally {
    await directory.delete(log.name)
    await directory.close()
  }
}

/** The same records in one file. */
function bareCompactOnce(dir, kind, bytes) {
  const [from, to] = [`${dir}/bare-from`, `${dir}/bare-to`]
  const records = Math.floor(bytes / kind.recordBytes)
  const source = Buffer.allocUnsafeSlow(records * kind.recordBytes)
  for (let n = 0; n < records; n++) {
    const frame = kind.batchOf([keyOf(kind.keyAt(n, Math.floor(records / versions)))])
    store.frameFormat.stamp(frame, 0, { baseOffset: n, leaderEpoch })
    source.set(frame, n * kind.recordBytes)
  }
  fs.writeFileSync(from, source)
  const watch = stopwatch()
  bareCompact(from, to)
  const figures = watch(source.length)
  if (fs.statSync(to).size > source.length / 2) throw new Error('too much is left')
  fs.rmSync(from)
  fs.rmSync(to)
  return figures
}

const aim = { atLeast: 100e6, shown: 100 }

export default {
  name: 'compaction',
  cases: (context) => [
    compactionCase(context, frames(1024), aim),
    compactionCase(context, { ...frames(128), bare: true }, aim),
    compactionCase(context, recordBatches(256, 'none'), aim),
    compactionCase(context, recordBatches(256, 'lz4'), aim),
  ],
}
