// A disk whose fdatasync takes 10 ms more than this machine's.
import { appendInALoop, frameOf, store } from '../fixture.mjs'
import { openMany } from '../many-logs.mjs'

const delayMs = 10
const threads = 3

/**
 * The machine's file system, with syncs that are told 10 ms late. They hold a slot of the store's for so long, as on such a
 * disk, but no thread of the pool: nobody else wants one here.
 */
function slowFileSystem() {
  const { nodeFileSystem } = store
  return {
    ...nodeFileSystem,
    open(path, mode) {
      const handle = nodeFileSystem.open(path, mode)
      const syncData = handle.syncData.bind(handle)
      handle.syncData = (done) => syncData((error) => setTimeout(done, delayMs, error))
      return handle
    },
  }
}

function slowCase({ count, logCount }, { quick }) {
  const seconds = quick ? 0.5 : 2
  const figures = [
    { key: 'acksPerSecond', label: 'acks', unit: 'k/s', aim: { ratio: 0.9 } },
    { key: 'p50', label: 'p50', unit: 'us' },
    { key: 'p99', label: 'p99', unit: 'us', aim: { ratioAtMost: 2 } },
  ]
  return {
    name: `fsync of 10 ms, ${logCount} log${logCount > 1 ? 's' : ''}, ${count} appenders`,
    figures,
    baseline: ({ dir }) => {
      const each = count / logCount
      return [
        'sync',
        dir,
        logCount,
        Math.min(threads, logCount),
        each,
        134,
        seconds,
        delayMs * 1000,
      ]
    },
    async measure({ dir }) {
      const { directory, logs } = await openMany(dir, logCount, { fileSystem: slowFileSystem() })
      const answer = await appendInALoop({ logs, count, frame: frameOf(134), seconds })
      await directory.close()
      return answer
    },
  }
}

export default {
  name: 'slow-disk',
  cases: (context) => [
    slowCase({ count: 256, logCount: 1 }, context),
    slowCase({ count: 256, logCount: 8 }, context),
  ],
}
