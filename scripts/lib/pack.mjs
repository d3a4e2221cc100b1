// npm tarballs of the publishable packages, with the licence that every one of them must carry.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fail, root, workspaces } from './project.mjs'

/** Packs every package that is not private into `target`; yields `{ name, file }`. */
export function packAll(target) {
  fs.mkdirSync(target, { recursive: true })
  const packages = workspaces().filter(
    ({ folder, manifest }) => folder.startsWith('packages/') && !manifest.private,
  )
  return packages.map(({ name, dir }) => {
    const copies = ['LICENSE', 'NOTICE'].map((file) => [
      path.join(root, file),
      path.join(dir, file),
    ])
    for (const [from, to] of copies) fs.copyFileSync(from, to)
    try {
      const done = spawnSync(
        'npm',
        ['pack', '--json', '--loglevel=error', '--pack-destination', target],
        { cwd: dir, encoding: 'utf8' },
      )
      if (done.status !== 0) fail(`npm pack of ${name} failed:\n${done.stderr}`)
      return { name, file: path.join(target, JSON.parse(done.stdout)[0].filename) }
    } finally {
      for (const [, copy] of copies) fs.rmSync(copy)
    }
  })
}
