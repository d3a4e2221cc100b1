// Opening a directory of cleanly closed logs, against listing it and reading the beginning of every file in it.
import { frameOf } from '../fixture.mjs'
import { openMany } from '../many-logs.mjs'

function openCase(count) {
  return {
    name: `open after a clean close, ${count.toLocaleString('en-US')} logs`,
    figures: [{ key: 'msPerLog', label: 'per log', unit: 'ms', aim: { atMost: 1 } }],
    async prepare({ dir }) {
      const { directory, logs } = await openMany(dir, count)
      const frame = frameOf(1024)
      for (const log of logs) log.append(frame, { leaderEpoch: 0 })
      await directory.close()
    },
    baseline: ({ dir }) => ['open', dir],
    async measure({ dir }) {
      const start = performance.now()
      const { directory } = await openMany(dir, count)
      const elapsed = performance.now() - start
      if (!directory.cleanStart) throw new Error('not a clean start')
      await directory.close()
      return { msPerLog: elapsed / count }
    },
  }
}

export default {
  name: 'open',
  cases: ({ quick }) => (quick ? [1000] : [1000, 10_000]).map(openCase),
}
