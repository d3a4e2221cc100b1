// npm run readme: puts the example programs into README.md, between their marks; a test checks that they are up to date.
import fs from 'node:fs'
import path from 'node:path'
import { root } from './lib/project.mjs'

const file = path.join(root, 'README.md')
const text = fs.readFileSync(file, 'utf8')
const filled = text.replace(
  /<!-- example: ([a-z-]+) -->\n(\n```js\n[^]*?\n```\n)?/g,
  (_mark, name) => {
    const program = fs.readFileSync(path.join(root, 'examples', name, 'main.mjs'), 'utf8')
    // What a program needs to run by itself, but a reader does not, stands outside of its marks.
    const [, shown = program] = /\/\/ shown: begin\n([^]*)\/\/ shown: end\n/.exec(program) ?? []
    return `<!-- example: ${name} -->\n\n\`\`\`js\n${shown}\`\`\`\n`
  },
)
fs.writeFileSync(file, filled)
