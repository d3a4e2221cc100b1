// Property: a history that fails is kept, shortened, with the seed and the path that made it; what is
// kept fails again in the next run.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkHistories } from './model/check-histories'
import { keepFailure, keptFailures } from './model/kept-failures'
import type { Operation } from './model/operations'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kfk-model-'))
  file = join(directory, 'failures.json')
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A log that does not survive being rolled twice. */
const rolledTwice = (operations: readonly Operation[]) => {
  const rolls = operations.filter(({ kind }) => kind === 'roll').length
  return rolls < 2 ? Promise.resolve() : Promise.reject(new Error('rolled twice'))
}

test('the shortest history that was found, and where it came from', async () => {
  const search = { runs: 500, seed: 7, keptIn: file, run: rolledTwice }
  await expect(checkHistories(search)).rejects.toThrow('rolled twice')
  const [kept, ...others] = keptFailures(file)
  expect(others).toEqual([])
  const kinds = kept!.operations.map(({ kind }) => kind)
  expect(kinds.filter((kind) => kind === 'roll')).toHaveLength(2)
  expect(kinds.length).toBeLessThan(5)
  expect(kept!.error).toContain('rolled twice')
  await expect(rolledTwice(kept!.operations)).rejects.toThrow('rolled twice')
  const [seed, path] = kept!.seed.split(/:(.*)/)
  const again = { runs: 1, seed: Number(seed), path, run: rolledTwice }
  await expect(checkHistories(again)).rejects.toThrow('rolled twice')
})

test('nothing is kept of histories that pass', async () => {
  await checkHistories({ runs: 20, seed: 7, keptIn: file, run: () => Promise.resolve() })
  expect(keptFailures(file)).toEqual([])
})

test('each history once, of too many the latest', () => {
  const failure = (log: number, seed: string) => {
    const operations = [{ kind: 'roll', log }] as const
    return { seed, error: 'an error', operations }
  }
  for (let log = 0; log < 30; log++) keepFailure(file, failure(log, '1:0'))
  keepFailure(file, failure(29, '2:0'))
  const kept = keptFailures(file)
  expect(kept).toHaveLength(20)
  expect(kept[0]).toEqual(failure(29, '2:0'))
  expect(kept.at(-1)).toEqual(failure(10, '1:0'))
})
