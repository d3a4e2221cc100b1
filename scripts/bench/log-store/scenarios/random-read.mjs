// One record of 1 KB by its offset, anywhere in a warm log, against reads of 1 KB anywhere in the same file.
import { fill, frameOf, mib, openOne, percentiles, repeated } from '../fixture.mjs'

const recordBytes = 1024
const logFile = (dir) => `${dir}/bench-0/${'0'.repeat(20)}.log`

function randomCase({ quick }) {
  const bytes = (quick ? 64 : 192) * mib
  const count = quick ? 20_000 : 100_000
  return {
    name: 'random read by offset, 1 KB, warm',
    figures: [
      { key: 'p50', label: 'p50', unit: 'us', aim: { atMost: 20 } },
      { key: 'p99', label: 'p99', unit: 'us' },
    ],
    async prepare({ dir }) {
      const { directory, log } = await openOne(dir)
      fill(log, repeated(frameOf(recordBytes), 1024), bytes)
      await directory.close()
    },
    baseline: ({ dir }) => ['random', logFile(dir), recordBytes, count],
    async measure({ dir }) {
      const { directory, log } = await openOne(dir)
      for (let from = 0; from < log.writtenOffset;) {
        from = (await log.read({ from, maxBytes: mib })).nextOffset
      }
      const into = Buffer.alloc(16 * recordBytes)
      const taken = []
      for (let n = 0; n < count * 1.2; n++) {
        const from = Math.floor(Math.random() * log.writtenOffset)
        const start = performance.now()
        const request = { from, maxBytes: recordBytes, into }
        // After reads that were slow, for whatever reason, some go through the thread pool.
        const slice = log.readNow(request) ?? (await log.read(request))
        const us = (performance.now() - start) * 1000
        if (slice.nextOffset !== from + 1) throw new Error(`read at ${from}`)
        if (n > count * 0.2) taken.push(us)
      }
      await directory.close()
      return percentiles(taken)
    },
  }
}

export default { name: 'random-read', cases: (context) => [randomCase(context)] }
