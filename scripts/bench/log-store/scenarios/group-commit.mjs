// Durable appends of 100 bytes to one log by many at once, against a loop that writes as many bytes and syncs, and
// against what Node needs at the least to do the same for as many callers.
import { bareLogs } from '../bare-node.mjs'
import { appendInALoop, frameOf, openOne } from '../fixture.mjs'

const frameBytes = 134

function commitCase(count, { quick }) {
  const seconds = quick ? 0.4 : 1.5
  const many = count === 256
  const bareAim = count <= 256 ? { ratio: 0.9 } : {}
  return {
    name: `group commit, ${count.toLocaleString('en-US')} appender${count > 1 ? 's' : ''}`,
    figures: [
      { key: 'acksPerSecond', label: 'acks', unit: 'k/s', aim: many ? { ratio: 0.9 } : {} },
      { key: 'p50', unit: 'us', label: 'p50' },
      { key: 'p99', unit: 'us', label: 'p99', aim: many ? { ratioAtMost: 2 } : {} },
      { key: 'acksPerSecond', label: 'acks', unit: 'k/s', against: 'bare', aim: bareAim },
      { key: 'p99', unit: 'us', label: 'p99', against: 'bare' },
    ],
    baseline: ({ dir }) => ['sync', dir, 1, 1, count, frameBytes, seconds, 0],
    async bare({ dir }) {
      const { logs, remove } = bareLogs(dir, { count: 1, syncs: 1 })
      const figures = await appendInALoop({ logs, count, frame: frameOf(frameBytes), seconds })
      remove()
      return figures
    },
    async measure({ dir }) {
      const { directory, log } = await openOne(dir, { defaults: { flushMessages: 1 } })
      const frame = frameOf(frameBytes)
      const figures = await appendInALoop({ logs: [log], count, frame, seconds })
      await directory.delete(log.name)
      await directory.close()
      return figures
    },
  }
}

export default {
  name: 'group-commit',
  cases: (context) => [1, 16, 256, 4096].map((count) => commitCase(count, context)),
}
