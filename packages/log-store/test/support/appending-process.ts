// A process of its own, to be killed at any moment: opens the directory, appends to several logs with
// rolls and retention, and tells on its output, a line each, when it begins to open, what it found
// (`open <log> <end>`), and each acknowledged offset (`<log> <offset>`).
import { writeSync } from 'node:fs'
import { frameFormat, openLogDirectory } from '../../src/index'
import type { Log } from '../../src/index'
import { seededRandom } from './seeded-random'

const names = ['a-0', 'b-0', 'c-1']
/** The last one is acknowledged by the write: a killed process does not lose what was written. */
const flushMessages: Record<string, number> = { 'c-1': Number.MAX_SAFE_INTEGER }

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** Each record says by whom it was written, and as the how manieth of its log. */
class Writer {
  readonly #log: Log
  readonly #cycle: number
  #count = 0

  constructor(log: Log, cycle: number) {
    this.#log = log
    this.#cycle = cycle
  }

  append(fill: number): void {
    const text = `${this.#log.name} ${this.#cycle} ${this.#count++} ${'x'.repeat(fill)}`
    this.#log.append(frameFormat.encode(Buffer.from(text)), { leaderEpoch: this.#cycle })
  }
}

async function main(path: string, cycle: number): Promise<void> {
  const random = seededRandom(cycle)
  say('opening')
  const directory = await openLogDirectory(path, {
    defaults: {
      segmentBytes: 8_000,
      indexIntervalBytes: 300,
      retentionBytes: 30_000,
      retentionMs: -1,
      fileDeleteDelayMs: 3,
    },
    optionsFor: (name) => ({ flushMessages: flushMessages[name] ?? 1 }),
    checkpointMs: 4,
  })
  const logs: Log[] = []
  for (const name of names) {
    const log = await directory.open(name)
    say(`open ${name} ${log.logEndOffset}`)
    log.onAcknowledged((offset) => say(`${name} ${offset}`))
    logs.push(log)
  }
  const writers = logs.map((log) => new Writer(log, cycle))
  for (let turn = 1; ; turn++) {
    for (const [at, writer] of writers.entries()) {
      if (random() < 0.3) continue
      for (let n = Math.floor(random() * 10); n >= 0; n--) writer.append(Math.floor(random() * 500))
      if (random() < 0.3) logs[at]!.flushNow()
      if (random() < 0.05) logs[at]!.roll()
    }
    const log = logs[Math.floor(random() * logs.length)]!
    await log.whenAcknowledged(Math.max(0, log.logEndOffset - 20))
    if (turn % 8 === 0) await directory.applyRetention()
  }
}

void main(process.argv[2]!, Number(process.argv[3]))
