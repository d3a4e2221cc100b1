// Size of each npm tarball, and how many packages come with it when a user installs it.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import { root, workspaces } from '../lib/project.mjs'

/** Everything that `npm install <package>` brings, without optional peers: by walking the manifests that are installed. */
function transitive(dir, found = new Set()) {
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    fs.readFileSync(path.join(dir, 'package.json'), 'utf8'),
  )
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const place = createRequire(path.join(dir, 'package.json'))
      .resolve.paths(name)
      .map((base) => path.join(base, name))
      .find((each) => fs.existsSync(path.join(each, 'package.json')))
    if (!place || found.has(place)) continue
    found.add(place)
    transitive(fs.realpathSync(place), found)
  }
  return found
}

export function packageSizes() {
  return workspaces()
    .filter(({ folder, manifest }) => folder.startsWith('packages/') && !manifest.private)
    .map(({ name, dir }) => {
      const [packed] = JSON.parse(
        execFileSync('npm', ['pack', '--dry-run', '--json', '--loglevel=error'], {
          cwd: dir,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }),
      )
      return { name, kb: Math.round(packed.size / 1024), dependencies: transitive(dir).size }
    })
}
