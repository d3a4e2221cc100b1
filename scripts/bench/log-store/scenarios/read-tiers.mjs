// Reads of 64 KB from each place that bytes can be: memory, the page cache, the disk.
import { fill, frameOf, mib, openOne, percentiles, repeated } from '../fixture.mjs'
import { rawIo } from '../raw-io.mjs'

const readBytes = 65_536
const group = () => repeated(frameOf(4096), 16)
const logFile = (dir) => `${dir}/bench-0/${'0'.repeat(20)}.log`

const figures = [
  { key: 'p50', label: 'p50', unit: 'us' },
  { key: 'p99', label: 'p99', unit: 'us' },
]

/** A reader that follows the writer: each group is read right after it was appended. */
const hot = ({ quick }) => ({
  name: 'read 64 KB, hot (memory)',
  figures,
  async measure({ dir }) {
    const { directory, log } = await openOne(dir)
    const count = quick ? 300 : 1000
    const taken = []
    const bytes = group()
    let from = log.writtenOffset
    log.readNow({ from, maxBytes: readBytes })
    for (let n = 0; n < count * 1.5; n++) {
      fill(log, bytes, 1)
      const start = performance.now()
      const slice = log.readNow({ from, maxBytes: readBytes })
      if (n > count / 2) taken.push((performance.now() - start) * 1000)
      from = slice.nextOffset
    }
    if (log.stats().hotReads < count) throw new Error('the reads were not hot')
    await directory.delete(log.name)
    await directory.close()
    return percentiles(taken)
  },
})

async function prepareFile({ dir, quick }) {
  const { directory, log } = await openOne(dir)
  fill(log, group(), (quick ? 32 : 128) * mib)
  await directory.close()
}

async function readAnywhere(log, count, warmUp) {
  const taken = []
  const into = Buffer.alloc(2 * readBytes)
  for (let n = 0; n < count + warmUp; n++) {
    const from = Math.floor(Math.random() * (log.writtenOffset - 16))
    const start = performance.now()
    const request = { from, maxBytes: readBytes, into }
    if (log.readNow(request) === undefined) await log.read(request)
    if (n >= warmUp) taken.push((performance.now() - start) * 1000)
  }
  return percentiles(taken)
}

const warm = ({ quick }) => ({
  name: 'read 64 KB, warm (page cache)',
  figures,
  prepare: prepareFile,
  baseline: ({ dir }) => ['random', logFile(dir), readBytes, quick ? 2000 : 10_000],
  async measure({ dir }) {
    const { directory, log } = await openOne(dir)
    for (let from = 0; from < log.writtenOffset;) {
      from = (await log.read({ from, maxBytes: mib })).nextOffset
    }
    const answer = await readAnywhere(log, quick ? 2000 : 10_000, 1000)
    await directory.close()
    return answer
  },
})

/** Few reads, so that the reads of one round do not warm each other. */
const coldReads = 200

const cold = () => ({
  name: 'read 64 KB, cold (disk)',
  figures,
  prepare: prepareFile,
  baseline: ({ dir }) => {
    rawIo().run(['evict', logFile(dir)])
    return ['random', logFile(dir), readBytes, coldReads]
  },
  async measure({ dir }) {
    const { directory, log } = await openOne(dir)
    await log.read({ from: 0, maxBytes: 1 })
    if (rawIo().run(['evict', logFile(dir)]) === undefined) {
      return { notAvailable: 'not available: eviction from the page cache needs the C program' }
    }
    const answer = await readAnywhere(log, coldReads, 0)
    await directory.close()
    return answer
  },
})

export default { name: 'read-tiers', cases: (context) => [hot(context), warm(context), cold()] }
