// npm run bench -- start: how long until a broker serves, and what it takes when it has nothing to do.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startBroker } from '../cluster/brokers.mjs'
import { spread } from '../cluster/figures.mjs'

const firstRecord = fileURLToPath(new URL('first-record.mjs', import.meta.url))

async function round(dir, note) {
  const embedded = [firstRecord, path.join(dir, 'embedded')]
  const { ms } = JSON.parse(execFileSync(process.execPath, embedded, { encoding: 'utf8' }))
  note('createBroker() to first acknowledged record, ms', ms)
  const startedMs = performance.now()
  const broker = await startBroker('kfk', path.join(dir, 'process'))
  note('kfk broker to "listening", ms', performance.now() - startedMs)
  note('kfk broker at rest, MB resident', broker.usage()?.residentMb ?? NaN)
  await broker.stop()
}

export async function benchStart({ rounds }) {
  const figures = new Map()
  const note = (name, value) => figures.set(name, [...(figures.get(name) ?? []), value])
  for (let index = 0; index < rounds; index++) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-bench-'))
    await round(dir, note)
    fs.rmSync(dir, { recursive: true })
  }
  for (const [name, values] of figures) console.log(`${name.padEnd(50)} ${spread(values)}`)
}
