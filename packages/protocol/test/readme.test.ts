import { readFileSync } from 'node:fs'
import path from 'node:path'
import { transformSync } from '@swc/core'
import * as protocol from '../src/index.js'

/** The first block of TypeScript in a document, as a function of what it may use. */
function example(file: string): (require: unknown, console: unknown) => void {
  const text = readFileSync(path.join(__dirname, '..', file), 'utf8')
  const source = /```ts\n([\s\S]*?)```/.exec(text)![1]!
  const { code } = transformSync(source, {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
  })
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the source is our README
  return new Function('require', 'console', `const exports = {}\n${code}`) as ReturnType<
    typeof example
  >
}

test('the example of the README runs', () => {
  const lines: string[] = []
  const console = { log: (...words: unknown[]) => lines.push(words.join(' ')) }
  example('README.md')((name: string) => (name === '@kfk/protocol' ? protocol : undefined), console)
  expect(lines).toEqual(['example asks for orders', 'orders UNKNOWN_TOPIC_OR_PARTITION'])
})
