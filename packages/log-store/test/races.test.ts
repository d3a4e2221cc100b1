// Property: whatever calls run at the same time, on a slow disk that may fail or stop: a call that
// resolves is true, and durable where it says so; one that is refused for a while has changed nothing;
// offsets are unique and in order; what was acknowledged is there with its bytes; nothing hangs;
// nothing is open, or asked of the disk, after a close; and the directory opens again.
//
// A failing history is printed, shortened, with its seed, and kept in races/failures.json, with which
// the next run begins. `KFK_SEED=<seed>[:<path>]` runs one again.
import { join } from 'node:path'
import { testKept, testRandom } from './model/history-tests'
import { histories } from './races/history'
import { pairs } from './races/pairs'
import { runHistory } from './races/race-world'
import { regressions } from './races/regressions'
import { atLeastOf, rounds, sampled } from './support/proofs'

const search = {
  histories,
  run: runHistory,
  runs: rounds(2500, 300),
  keptIn: join(__dirname, 'races', 'failures.json'),
}

testKept(search)

test.each(regressions)('$what', async ({ history }) => {
  await runHistory(history)
})

test('two calls at every distance', async () => {
  let count = 0
  for (const history of sampled(pairs())) {
    await runHistory(history).catch((cause: unknown) => {
      throw new Error(`${String(cause)}\n${JSON.stringify(history)}`, { cause })
    })
    count++
  }
  expect(count).toBeGreaterThanOrEqual(atLeastOf(4000))
}, 600_000)

testRandom(search)
