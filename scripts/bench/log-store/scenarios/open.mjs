// A directory of cleanly closed logs: opening it, against listing it and reading the beginning of every file in it, and what
// its logs take in memory when nobody uses them.
import { frameOf, recordBatchOf, store } from '../fixture.mjs'
import { openMany } from '../many-logs.mjs'
import { settledBytes } from '../memory.mjs'

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

/** Fewer files than logs, so that most logs have been closed again by the time that all have been used. */
const fewFiles = 64

/**
 * All that an open directory holds, by log: names and checkpoints included. A directory of a few logs is used before, so that
 * compiled code does not count.
 */
function memoryCase({ name, count, options, record }) {
  // Of fewer logs what the directory itself takes shows.
  const aim = count < 10_000 ? {} : { atMost: 3000 }
  const open = (dir, logs) => openMany(dir, logs, { ...options, maxOpenFiles: fewFiles })
  const append = async (logs) => {
    for (let from = 0; from < logs.length; from += 100) {
      const acknowledged = logs.slice(from, from + 100).map((log) => {
        const { lastOffset } = log.append(Buffer.from(record()), { leaderEpoch: 0 })
        return log.whenAcknowledged(lastOffset + 1)
      })
      await Promise.all(acknowledged)
    }
  }
  return {
    name: `memory of an idle log${name}`,
    figures: [
      { key: 'opened', label: 'opened', unit: 'B', aim },
      { key: 'used', label: 'after a read and an append', unit: 'B', aim },
    ],
    async prepare({ dir }) {
      for (const [part, logs] of [
        ['all', count],
        ['few', 200],
      ]) {
        const made = await open(`${dir}/${part}`, logs)
        await append(made.logs)
        await made.directory.close()
      }
    },
    async measure({ dir }) {
      const use = async (logs) => {
        for (const log of logs) await log.read({ from: 0, maxBytes: 1 })
        await append(logs)
      }
      const few = await open(`${dir}/few`, 200)
      await use(few.logs)
      await few.directory.close()
      few.logs.length = 0
      const before = await settledBytes()
      const all = await open(`${dir}/all`, count)
      const opened = await settledBytes()
      await use(all.logs)
      await all.directory.checkpoint()
      const used = await settledBytes()
      if (all.directory.stats().openFiles > fewFiles) throw new Error('too many files are open')
      await all.directory.close()
      return { opened: (opened - before) / count, used: (used - before) / count }
    },
  }
}

const memoryCases = (count) => [
  memoryCase({ name: '', count, options: {}, record: () => frameOf(1024) }),
  memoryCase({
    name: " of Kafka's batches",
    count,
    options: { format: store.recordBatchFormat },
    record: () => recordBatchOf(1024),
  }),
]

export default {
  name: 'open',
  cases: ({ quick }) => {
    const counts = quick ? [1000] : [1000, 10_000]
    return [...counts.map(openCase), ...memoryCases(counts.at(-1))]
  },
}
