// Property: however producers, transactions, compactions, stops, openings and cuts follow each other, a
// reader of committed records sees the latest one of each key, nothing that was aborted and nothing
// that nobody has written; what compaction calls clean is so; and producers are not forgotten.
//
// A failing history is printed, shortened, with its seed, and kept in transactions/failures.json, with
// which the next run begins. `KFK_SEED=<seed>[:<path>]` runs one again.
import { join } from 'node:path'
import { testKept, testRandom } from './model/history-tests'
import { rounds } from './support/proofs'
import { histories } from './transactions/history'
import { runHistory } from './transactions/transaction-world'

const search = {
  histories,
  run: runHistory,
  runs: rounds(600, 60),
  keptIn: join(__dirname, 'transactions', 'failures.json'),
}

testKept(search)

test('a pass takes the marker of an aborted transaction, and more passes follow', async () => {
  const by = { kind: 'append', producer: 1, transactional: true } as const
  const end = { kind: 'end', producer: 1, fenced: false } as const
  await runHistory({
    ...{ dedupeBufferBytes: 0, segmentBytes: 100_000, deleteRetentionMs: 0 },
    ...{ indexIntervalBytes: 100, readBytes: 700 },
    steps: [
      { ...by, records: [{ key: 'a', bytes: 1 }] },
      { ...end, control: 'abort' },
      ...[...'bcdefghijklmn'].map((key) => ({ ...by, records: [{ key, bytes: 1 }] })),
      { ...end, control: 'commit' },
      { kind: 'compact', roll: true, stopAt: null, outcome: 'lose-unsynced' },
    ],
  })
})

testRandom(search)
