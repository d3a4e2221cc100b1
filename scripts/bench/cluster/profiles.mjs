// CPU profiles of our own processes: V8 writes them when a process ends; what is on top is printed.
import fs from 'node:fs'
import path from 'node:path'

/** Share of the samples in each function by itself, idle time left out, largest first. */
export function topFunctions({ nodes, samples, timeDeltas }, count = 15) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const self = new Map()
  let total = 0
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = byId.get(id)
    if (functionName === '(idle)' || functionName === '(root)') return
    const place = url
      ? ` ${url.replace(/^.*\/(?=[^/]+\/[^/]+\/[^/]+$)/, '')}:${lineNumber + 1}`
      : ''
    const name = `${functionName || '(anonymous)'}${place}`
    self.set(name, (self.get(name) ?? 0) + timeDeltas[index])
    total += timeDeltas[index]
  })
  return [...self]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => ({ name, share: time / total }))
}

/** `argumentsFor` gives the arguments of Node that profile a process; `print` reads what they have written. */
export function createProfiler(dir) {
  fs.rmSync(dir, { recursive: true, force: true })
  fs.mkdirSync(dir, { recursive: true })
  const names = []
  return {
    argumentsFor(what) {
      const name = `${String(names.length).padStart(2, '0')}-${what.replaceAll(' ', '-')}`
      names.push(name)
      return ['--cpu-prof', `--cpu-prof-dir=${dir}`, `--cpu-prof-name=${name}.cpuprofile`]
    },
    print() {
      for (const name of names) {
        const file = path.join(dir, `${name}.cpuprofile`)
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
