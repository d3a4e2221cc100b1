// Property: every planted bug still has its place: its text occurs exactly once in the source it names.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly tests: readonly string[]
}

const list = join(__dirname, 'mutants.mjs')
const script = `import(process.argv[1]).then((m) => console.log(JSON.stringify(m.mutants)))`
const mutants = JSON.parse(
  execFileSync(process.execPath, ['-e', script, list]).toString(),
) as Mutant[]

test.each(mutants)('$name', ({ file, find, replace, tests }) => {
  const source = readFileSync(join(__dirname, '../src', file), 'utf8')
  expect(source.split(find).length - 1).toBe(1)
  expect(replace).not.toBe(find)
  for (const name of tests) expect(existsSync(join(__dirname, `${name}.test.ts`))).toBe(true)
})

test('no two have the same name', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
})
