// CPU profiles of our own processes: V8 writes them when a process ends; what is on top is printed.
import fs from 'node:fs'
import path from 'node:path'

/** Where a function is written, as `package/dist/file.js:line`. */
function placeOf({ functionName, url, lineNumber }) {
  const file = url.replace(/^.*\/(?=[^/]+\/[^/]+\/[^/]+$)/, '')
  return `${functionName || '(anonymous)'}${url ? ` ${file}:${lineNumber + 1}` : ''}`
}

/** V8's own entries, such as (garbage collector), belong to no function. */
const isOurs = ({ url }) => url.startsWith('file:')
const isPseudo = ({ functionName }) =>
  functionName.startsWith('(') && functionName !== '(anonymous)'

/** A node's name; what belongs to Node itself is told with the function of the project that called it. */
function nameOf(node, parents) {
  const { callFrame } = node
  const name = placeOf(callFrame)
  if (isOurs(callFrame) || isPseudo(callFrame)) return name
  let caller = parents.get(node.id)
  while (caller !== undefined && !isOurs(caller.callFrame)) caller = parents.get(caller.id)
  return caller === undefined ? name : `${name} < ${placeOf(caller.callFrame)}`
}

/** Share of the samples in each function by itself, idle time left out, largest first. */
export function topFunctions({ nodes, samples, timeDeltas }, count = 15) {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(
    nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node])),
  )
  const own = new Map()
  samples.forEach((id, at) => own.set(id, (own.get(id) ?? 0) + timeDeltas[at]))
  const times = new Map()
  let total = 0
  for (const [id, time] of own) {
    const node = byId.get(id)
    if (['(idle)', '(root)'].includes(node.callFrame.functionName)) continue
    const name = nameOf(node, parents)
    times.set(name, (times.get(name) ?? 0) + time)
    total += time
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => ({ name, share: time / total }))
}

/**
 * `argumentsFor` gives the arguments of Node that profile a process from its start, `fileFor` a file for a client that
 * profiles its work alone; `print` reads what they have written.
 */
export function createProfiler(dir) {
  fs.rmSync(dir, { recursive: true, force: true })
  fs.mkdirSync(dir, { recursive: true })
  const files = []
  const fileFor = (what) => {
    const number = String(files.length).padStart(2, '0')
    const file = path.join(dir, `${number}-${what.replaceAll(' ', '-')}.cpuprofile`)
    files.push(file)
    return file
  }
  return {
    fileFor,
    argumentsFor(what) {
      const file = path.basename(fileFor(what))
      return ['--cpu-prof', `--cpu-prof-dir=${dir}`, `--cpu-prof-name=${file}`]
    },
    print() {
      for (const file of files) {
        if (!fs.existsSync(file)) continue
        console.log(`\n${path.relative(process.cwd(), file)}`)
        for (const { name: place, share } of topFunctions(
          JSON.parse(fs.readFileSync(file, 'utf8')),
        )) {
          console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${place}`)
        }
      }
    },
  }
}
