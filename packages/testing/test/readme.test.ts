// What README.md shows is what the example programs are and what they do. They run as a user runs them: from the built packages.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runProcess } from '../src/index'

const root = path.resolve(__dirname, '../../..')
const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')

const says: Record<string, RegExp> = {
  'embedded-log': /^1 a search\n$/,
  'embedded-broker': /^any Kafka client connects to 127\.0\.0\.1:\d+\n\[ 'page-views' \]\n$/,
  'produce-consume': /^0 0n visitor-1 \/\n$/,
  'swap-codec': /^partition 0, offset 0\n$/,
  'swap-coordination': /^\[ 1, 1, 2, 2, 3, 3 \]\n$/,
  'kafkajs-client': /^from kafkajs\n$/,
  'load-to-hdfs': /^1 records in 1 files\n\[\]\n$/,
}

let dir: string
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-examples-'))
})
afterAll(() => fs.rmSync(dir, { recursive: true }))

test.each(Object.entries(says))(
  'examples/%s is in the README and does what it says',
  async (name, expected) => {
    const program = path.join(root, 'examples', name, 'main.mjs')
    const text = fs.readFileSync(program, 'utf8')
    const [, shown = text] = /\/\/ shown: begin\n([^]*)\/\/ shown: end\n/.exec(text) ?? []
    expect(readme).toContain(`\`\`\`js\n${shown}\`\`\``)
    const { code, stdout, stderr } = await runProcess(process.execPath, [program], { cwd: dir })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(expected)
  },
)

test('every example is tested', () => {
  const folders = fs.readdirSync(path.join(root, 'examples'))
  expect(folders.filter((name) => name !== 'activity-stream').sort()).toEqual(
    Object.keys(says).sort(),
  )
})
