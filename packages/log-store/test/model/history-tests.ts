// The tests of every kind of random history: what failed in the last runs, then new ones.
import type fc from 'fast-check'
import { checkAll } from './check-histories'
import { runKept } from './kept-failures'

const usualSeed = '1'

interface HistoryTests<History> {
  readonly histories: fc.Arbitrary<History>
  readonly run: (history: History) => Promise<void>
  readonly runs: number
  /** File of the histories that fail, until somebody takes it away. */
  readonly keptIn: string
}

/** Histories that failed and were kept, which the next run begins with. */
export function testKept<History>({ run, keptIn }: HistoryTests<History>): void {
  test('histories that failed in the last runs', async () => {
    await runKept(keptIn, run)
  })
}

/** The same histories every time, unless `KFK_SEED=<seed>[:<path>]` says which. */
export function testRandom<History>({ runs, ...search }: HistoryTests<History>): void {
  test('random histories', async () => {
    const [seed, path] = (process.env['KFK_SEED'] ?? usualSeed).split(/:(.*)/)
    const passed = await checkAll({ ...search, runs, seed: Number(seed), path })
    expect(passed).toBeGreaterThan(path === undefined ? runs / 2 : 0)
  }, 600_000)
}
