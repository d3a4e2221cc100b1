// npm run projects: the packages, what each is for, and which of its siblings it stands on.
import { workspaces } from './lib/project.mjs'

for (const { name, folder, manifest } of workspaces()) {
  const siblings = Object.keys(manifest.dependencies ?? {}).filter((dependency) =>
    dependency.startsWith('@kfk/'),
  )
  console.log(`${name.padEnd(26)} ${folder}`)
  console.log(`${''.padEnd(26)} ${manifest.description}`)
  if (siblings.length) console.log(`${''.padEnd(26)} on ${siblings.join(', ')}`)
}
