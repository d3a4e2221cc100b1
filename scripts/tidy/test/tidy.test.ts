// The style of the project as a test: what can be measured is measured here, with the place to mend.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import ts from 'typescript'
import * as rules from '../rules'

const root = path.resolve(__dirname, '../../..')
const sources = rules.readSources(root)
const properties = rules.readPropertyTests(root)

const checks: [string, () => string[]][] = [
  ['no file is longer than one idea', () => rules.longFiles(sources)],
  ['no line is wider than the page', () => rules.longLines(sources)],
  ['no function is longer than a screen', () => rules.longFunctions(sources)],
  [
    'no function takes more positional parameters than a reader can tell apart',
    () => rules.manyParameters(sources),
  ],
  ['every file is named after what it knows', () => rules.vagueFileNames(sources)],
  ['no import cycle, type imports included', () => rules.importCycles(sources)],
  ['packages import each other only along the arrows', () => rules.packageGraph(sources)],
  ['an index exports names', () => rules.barrels(sources)],
  [
    'state machines have no clock, no chance, no disk and no network',
    () => rules.impureStateMachines(sources),
  ],
  ['no type check is switched off', () => rules.switchedOffTypes(sources)],
  ['every property has a seed', () => rules.unseededProperties(properties)],
]

test.each(checks)('%s', (_name, complaints) => {
  expect(sources.length).toBeGreaterThan(50)
  expect(properties.length).toBeGreaterThan(15)
  expect(complaints()).toEqual([])
})

test('the top level holds what belongs there', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
  expect(rules.strayRootEntries(tracked.filter(Boolean))).toEqual([])
})

test('generated files are what their script makes', () => {
  const script = path.join(root, 'scripts/crc-kernels.mjs')
  expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('')
})

describe('the rules catch what they are for', () => {
  const source = (file: string, text: string): rules.Source => {
    const ast = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
    const imports = [...text.matchAll(/from '([^']+)'/g)].map((match) => ({
      specifier: match[1] ?? '',
      line: 1,
    }))
    return { file, folder: file.split('/').slice(0, 2).join('/'), text, ast, imports }
  }

  test.each<[string, string[]]>([
    ['a long file', rules.longFiles([source('packages/a/src/a.ts', 'x\n'.repeat(501))])],
    ['a wide line', rules.longLines([source('packages/a/src/a.ts', 'x'.repeat(101))])],
    [
      'a long function',
      rules.longFunctions([
        source('packages/a/src/a.ts', `function f() {\n${'x()\n'.repeat(61)}}`),
      ]),
    ],
    [
      'five parameters',
      rules.manyParameters([source('packages/a/src/a.ts', 'const f = (a, b, c, d, e) => 0')]),
    ],
    ['utils.ts', rules.vagueFileNames([source('packages/a/src/utils.ts', '')])],
    [
      'a cycle',
      rules.importCycles([
        source('packages/a/src/a.ts', "import type { B } from './b.js'"),
        source('packages/a/src/b.ts', "import type { A } from './a.js'"),
      ]),
    ],
    [
      'an upward dependency',
      rules.packageGraph([source('packages/protocol/src/a.ts', "import { x } from '@kfk/client'")]),
    ],
    ['a barrel', rules.barrels([source('packages/a/src/index.ts', "export * from './a.js'")])],
    [
      'a clock in a state machine',
      rules.impureStateMachines([source('packages/broker/src/group/group.ts', 'Date.now()')]),
    ],
    ['any', rules.switchedOffTypes([source('packages/a/src/a.ts', 'const a = b as any')])],
    [
      'a property without a seed',
      rules.unseededProperties([
        source('packages/a/test/a.test.ts', 'fc.assert(p, { seed: 1 }), fc.assert(p, { numRuns })'),
      ]),
    ],
    ['a plan left behind', rules.strayRootEntries(['plan.md'])],
  ])('%s', (_name, complaints) => {
    expect(complaints).toHaveLength(1)
  })
})
