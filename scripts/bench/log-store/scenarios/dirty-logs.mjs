// Durable appends of 4 KiB, one at a time to each of many logs, against as many threads that sync as many files, and
// against what Node needs at the least to do the same.
import { bareLogs } from '../bare-node.mjs'
import { appendInALoop, frameOf } from '../fixture.mjs'
import { openMany } from '../many-logs.mjs'

/** The store's default: of the four threads of Node's pool one is left to reads. */
const usualThreads = 3

function dirtyCase({ count, threads = usualThreads }, { quick }) {
  const seconds = (quick ? 0.5 : 1.5) * (count >= 1000 ? 2 : 1)
  const name = `${count.toLocaleString('en-US')} dirty log${count > 1 ? 's' : ''} at once`
  return {
    name: threads === usualThreads ? name : `${name}, ${threads} threads`,
    env: { UV_THREADPOOL_SIZE: String(threads + 1) },
    figures: [
      { key: 'acksPerSecond', label: 'acks', unit: 'k/s', aim: { ratio: 0.9 } },
      { key: 'p50', label: 'p50', unit: 'us' },
      { key: 'p99', label: 'p99', unit: 'us' },
      { key: 'acksPerSecond', label: 'acks', unit: 'k/s', against: 'bare', aim: { ratio: 0.9 } },
      { key: 'p50', label: 'p50', unit: 'us', against: 'bare' },
    ],
    baseline: ({ dir }) => ['sync', dir, count, Math.min(count, threads), 1, 4096, seconds, 0],
    async bare({ dir }) {
      const { logs, remove } = bareLogs(dir, { count, syncs: threads })
      const figures = await appendInALoop({ logs, count, frame: frameOf(4096), seconds })
      remove()
      return figures
    },
    async measure({ dir }) {
      const { directory, logs } = await openMany(dir, count)
      const figures = await appendInALoop({ logs, count, frame: frameOf(4096), seconds })
      await directory.close()
      return figures
    },
  }
}

export default {
  name: 'dirty-logs',
  cases: (context) => [
    ...[1, 8, 100, 1000].map((count) => dirtyCase({ count }, context)),
    dirtyCase({ count: 1000, threads: 31 }, context),
  ],
}
