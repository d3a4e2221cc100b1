import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Target } from '@kfk/hadoop-loader'
import type { Origin } from './events.js'
import { linesOf } from './input-lines.js'

/**
 * Every record that was loaded of a topic, read back from its hourly files, by nothing but their
 * names and bytes.
 */
export async function* readLoaded(
  target: Target,
  topic: string,
): AsyncGenerator<Origin, void, undefined> {
  for (const day of await foldersOf(target, topic, /^dt=\d{4}-\d\d-\d\d$/)) {
    for (const hour of await foldersOf(target, day, /^hour=\d\d$/)) {
      for (const { name } of await target.list(hour)) {
        if (!/\.jsonl(\.gz)?$/.test(name)) continue
        const bytes = Readable.from(target.read(`${hour}/${name}`))
        const plain = name.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes
        bytes.on('error', (error) => plain.destroy(error))
        for await (const line of linesOf(plain)) yield JSON.parse(line!) as Origin
      }
    }
  }
}

async function foldersOf(target: Target, parent: string, pattern: RegExp): Promise<string[]> {
  const entries = await target.list(parent)
  return entries
    .filter(({ name, isDirectory }) => isDirectory && pattern.test(name))
    .map(({ name }) => `${parent}/${name}`)
}
