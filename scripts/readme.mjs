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
    return `<!-- example: ${name} -->\n\n\`\`\`js\n${program}\`\`\`\n`
  },
)
fs.writeFileSync(file, filled)
