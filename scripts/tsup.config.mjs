// How every package is built: as its package.json says (`tsup`), but what is made for CommonJS is kept small. Source maps,
// which hold the sources, come with the ESM build alone, and so does a package's command, which bin/ starts as ESM.
import fs from 'node:fs'

const { tsup } = JSON.parse(fs.readFileSync('package.json', 'utf8'))
const command = 'src/bin.ts'

export default {
  ...tsup,
  esbuildOptions(options, { format }) {
    if (format !== 'cjs') return
    options.sourcemap = false
    options.entryPoints = options.entryPoints.filter((file) => file !== command)
  },
}
