// Appends that are left in the page cache, one write call each, against a file written in calls of the same size, by a
// program in C and by bare Node.
import { bareWrite } from '../bare-node.mjs'
import {
  bareRateFigures,
  compiled,
  fill,
  frameOf,
  mib,
  openOne,
  rateFigures,
  recordBatchOf,
  repeated,
  stopwatch,
  store,
  together,
} from '../fixture.mjs'

const kib = 1024
const passes = 3

/** Appends `bytes` to a new log. */
async function onePass(dir, bytes, { chunk, format }) {
  const { directory, log } = await openOne(dir, { format })
  const watch = stopwatch()
  fill(log, chunk, bytes)
  const figures = watch(bytes)
  await directory.delete(log.name)
  await directory.close()
  return figures
}

async function timedPasses(run, bytes) {
  await compiled(() => run(32 * mib))
  const stretches = []
  // The first pass pays for fresh pages, as the baseline's first.
  for (let pass = 0; pass <= passes; pass++) stretches.push(await run(bytes))
  return together(stretches.slice(1))
}

function appendCase(name, { group, format, aim }) {
  return ({ quick }) => {
    const bytes = (quick ? 64 : 256) * mib
    return {
      name,
      figures: [...rateFigures(aim), ...bareRateFigures],
      baseline: ({ dir }) => ['write', dir, bytes, group().length, passes],
      bare: ({ dir }) => timedPasses((size) => bareWrite(dir, size, group()), bytes),
      measure({ dir }) {
        const what = { chunk: group(), format }
        return timedPasses((size) => onePass(dir, size, what), bytes)
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
