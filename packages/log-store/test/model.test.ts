// Property: whatever is done to a directory of logs, in whatever order, on a disk that fails and a
// machine that stops, it holds what a simple model says.
//
// A failing history is printed, shortened, with its seed, and kept in model/failures.json, with which
// the next run begins. Mend the bug, give the history a name in model/regressions.ts and remove the
// file. `KFK_SEED=<seed>[:<path>]` runs one again. The histories here are the same every time;
// `npm run torture -- --only model` runs others.
import { join } from 'node:path'
import { run } from './model/check-histories'
import { testKept, testRandom } from './model/history-tests'
import { history } from './model/operations'
import { regressions } from './model/regressions'
import { rounds } from './support/proofs'

const search = {
  histories: history,
  run,
  runs: rounds(1000, 60),
  keptIn: join(__dirname, 'model', 'failures.json'),
}

testKept(search)

test('histories that failed before', async () => {
  for (const { what, operations } of regressions) {
    await run(operations).catch((cause: unknown) => {
      throw new Error(`again: ${what}`, { cause })
    })
  }
})

testRandom(search)
