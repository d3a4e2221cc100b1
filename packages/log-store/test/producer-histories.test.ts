// Property: however appends, rolls, cuts at both ends, failures, stops and openings follow each other,
// what a log knows of its producers and transactions is what all batches that were written tell.
//
// A failing history is printed, shortened, with its seed, and kept in producers/failures.json, with
// which the next run begins. `KFK_SEED=<seed>[:<path>]` runs one again.
import { join } from 'node:path'
import { testKept, testRandom } from './model/history-tests'
import { rounds } from './support/proofs'
import { histories } from './producers/history'
import { runHistory } from './producers/producer-world'

const search = {
  histories,
  run: runHistory,
  runs: rounds(600, 16),
  keptIn: join(__dirname, 'producers', 'failures.json'),
}

testKept(search)

testRandom(search)
