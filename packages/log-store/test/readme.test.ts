// Property: what README.md shows does what it says.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { execFileSync } from 'node:child_process'

const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
const examples = [...readme.matchAll(/```ts\n([^`]*)```/g)].map((match) => match[1]!)

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kfk-readme-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function run(source: string): string {
  const body = source.replace(/^import .*\n/gm, '')
  const imports = source.match(/^import .*$/gm)!.join('\n')
  const entry = join(dir, 'example.ts')
  writeFileSync(entry, `${imports}\nasync function main() {\n${body}}\nvoid main()\n`)
  const outfile = join(dir, 'example.cjs')
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    alias: { '@kfk/log-store': join(__dirname, '../src/index.ts') },
    external: ['fs-native-extensions'],
  })
  const { NODE_PATH = '' } = process.env
  const modules = join(createRequire(__filename).resolve('esbuild/package.json'), '../..')
  const env = { ...process.env, NODE_PATH: `${modules}:${NODE_PATH}` }
  return execFileSync(process.execPath, [outfile], { cwd: dir, env }).toString()
}

test('five lines: append, read, close; and again', () => {
  expect(run(examples[0]!)).toBe('0 hello\n')
  expect(run(examples[0]!)).toBe('0 hello\n1 hello\n')
})

test('many logs in one directory', () => {
  expect(run(examples[1]!)).toBe('1 1\n')
})
