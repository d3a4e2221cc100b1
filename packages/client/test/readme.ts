import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from '@swc/core'

/** The first code block of a package's README. */
export function firstExample(packageName: string): string {
  const text = readFileSync(join(__dirname, '../..', packageName, 'README.md'), 'utf8')
  const block = /```ts\n([\s\S]*?)```/.exec(text)
  if (block === null) throw new Error(`no example in the README of ${packageName}`)
  return block[1]!
}

/** Runs an example with these modules and gives what it printed. */
export async function runExample(
  source: string,
  modules: Readonly<Record<string, unknown>>,
): Promise<unknown[][]> {
  const lines = source.split('\n')
  const imports = lines.filter((line) => line.startsWith('import '))
  const body = lines.filter((line) => !line.startsWith('import '))
  const program = [...imports, 'export async function run(console) {', ...body, '}'].join('\n')
  const { code } = transformSync(program, {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
  })
  const exported: { run?: (console: { log: (...data: unknown[]) => void }) => Promise<void> } = {}
  const require = (name: string): unknown => modules[name]
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the example is text in this repository
  new Function('exports', 'require', code)(exported, require)
  const printed: unknown[][] = []
  await exported.run!({ log: (...data) => void printed.push(data) })
  return printed
}
