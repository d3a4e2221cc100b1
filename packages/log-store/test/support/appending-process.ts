// A process of its own, to be killed at any moment: appends, and prints each acknowledged offset.
import { writeSync } from 'node:fs'
import { frameFormat, openLogDirectory } from '../../src/index'

async function main(path: string, seed: number): Promise<void> {
  const directory = await openLogDirectory(path, {
    defaults: { segmentBytes: 20_000, indexIntervalBytes: 500 },
    checkpointMs: 5,
  })
  const log = await directory.open('a-0')
  log.onAcknowledged((offset) => writeSync(1, `${offset}\n`))
  let size = seed
  for (;;) {
    for (let n = 0; n < 5; n++) {
      size = (size * 1103515245 + 12345) % 2147483648
      const text = `record ${log.logEndOffset} ${'x'.repeat(size % 900)}`
      log.append(frameFormat.encode(Buffer.from(text)), { leaderEpoch: seed })
    }
    await log.whenAcknowledged(log.logEndOffset - 3)
  }
}

void main(process.argv[2]!, Number(process.argv[3]))
