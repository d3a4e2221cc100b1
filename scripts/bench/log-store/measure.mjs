// One phase of one case in a process of its own: measure.mjs FILE CASE PHASE, the context as JSON on the standard input.
// Prints what the phase answers as the last line.
import fs from 'node:fs'

const [file, caseName, phase] = process.argv.slice(2)
const context = JSON.parse(fs.readFileSync(0, 'utf8'))
const { default: scenario } = await import(file)
const found = scenario.cases(context).find(({ name }) => name === caseName)
const answer = await found[phase](context)
console.log(`\n${JSON.stringify(answer ?? {})}`)
process.exit(0)
