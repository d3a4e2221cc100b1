// Property: a volume that fills up refuses appends with a clear error, keeps what it acknowledged
// readable, and takes appends again when there is room, as often as that happens.
import { join } from 'node:path'
import { frameFormat, openLogDirectory, StoreError } from '../src/index'
import { MountedVolume } from './support/mounted-volume'
import { readAll } from './support/records'

const cycles = 20

test('a volume of 2 MB, filled and emptied again and again', async () => {
  const volume = MountedVolume.make('tmpfs', 'size=2m')
  if (typeof volume === 'string') {
    process.stdout.write(`${volume}\n`)
    return
  }
  try {
    const defaults = { segmentBytes: 200_000, fileDeleteDelayMs: 0, retentionMs: -1 }
    const directory = await openLogDirectory(join(volume.path, 'store'), { defaults })
    const log = await directory.open('a-0')
    const texts = new Map<number, string>()
    for (let cycle = 1; cycle <= cycles; cycle++) {
      let refused: unknown
      for (let n = 0; n < 2_000 && refused === undefined; n++) {
        const text = `${cycle} ${n} `.padEnd(8_000, 'x')
        try {
          const { baseOffset } = log.append(frameFormat.encode(Buffer.from(text)), {
            leaderEpoch: 1,
          })
          await log.whenAcknowledged(baseOffset + 1)
          texts.set(baseOffset, text)
        } catch (error) {
          refused = error
        }
      }
      expect(refused).toBeInstanceOf(StoreError)
      expect(refused).toMatchObject({ code: 'KFK_STORE_NO_SPACE', retriable: true })
      expect(directory.poisoned).toBeUndefined()
      const found = await readAll(log, 100_000)
      expect(found.size).toBe(log.logEndOffset - log.logStartOffset)
      for (const [offset, text] of found) expect(texts.get(offset) === text).toBe(true)
      log.configure({ retentionBytes: 500_000 })
      expect((await directory.applyRetention()).deletedSegments).toBeGreaterThan(0)
      log.configure({ retentionBytes: -1 })
    }
    await directory.close()
    const again = await openLogDirectory(join(volume.path, 'store'), { defaults })
    const found = await readAll(await again.open('a-0'), 100_000)
    for (const [offset, text] of found) expect(texts.get(offset) === text).toBe(true)
    await again.close()
  } finally {
    volume.dispose()
  }
}, 120_000)
