// Appends that are left in the page cache, one write call each, against a file written in calls of the same size.
import {
  fill,
  frameOf,
  mib,
  openOne,
  rateFigures,
  recordBatchOf,
  repeated,
  stopwatch,
  store,
} from '../fixture.mjs'

const kib = 1024

function appendCase(name, { group, format, aim }) {
  return ({ quick }) => {
    const bytes = (quick ? 64 : 256) * mib
    return {
      name,
      figures: rateFigures(aim),
      baseline: ({ dir }) => ['write', dir, bytes, group().length],
      async measure({ dir }) {
        const chunk = group()
        let figures
        // The first passes pay for fresh pages, as the baseline's first, and for code that is not compiled yet.
        for (let pass = 0; pass < 5; pass++) {
          const { directory, log } = await openOne(dir, { format })
          const watch = stopwatch()
          fill(log, chunk, bytes)
          figures = watch(bytes)
          await directory.delete(log.name)
          await directory.close()
        }
        return figures
      },
    }
  }
}

const { recordBatchFormat } = store
const cases = [
  appendCase('append, 1 MB groups', {
    group: () => repeated(frameOf(16 * kib), 64),
    aim: { ratio: 0.9 },
  }),
  appendCase('append, 16 KB batches', { group: () => frameOf(16 * kib), aim: { ratio: 0.7 } }),
  appendCase("append, 1 MB groups, Kafka's batches", {
    group: () => repeated(recordBatchOf(16 * kib), 64),
    format: recordBatchFormat,
    aim: { ratio: 0.9 },
  }),
  appendCase("append, 16 KB batches, Kafka's batches", {
    group: () => recordBatchOf(16 * kib),
    format: recordBatchFormat,
    aim: { ratio: 0.7 },
  }),
]

export default { name: 'append', cases: (context) => cases.map((each) => each(context)) }
