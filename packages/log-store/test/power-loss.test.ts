// Property: a real file system whose power goes in mid-write keeps every acknowledged record. The power
// is the ioctl that shuts a mounted ext4 or xfs image down without its journal.
import { MountedVolume } from './support/mounted-volume'
import { powerCycles } from './support/power-cycles'

test.each([
  ['ext4', 'commit=1000', 1],
  ['xfs', '', 2],
] as const)(
  '25 power cuts on %s',
  async (kind, mountOptions, seed) => {
    const volume = MountedVolume.make(kind, mountOptions)
    if (typeof volume === 'string') {
      process.stdout.write(`${volume}\n`)
      return
    }
    try {
      const result = await powerCycles(volume, { cycles: 25, seed })
      process.stdout.write(`power loss on ${kind}: ${JSON.stringify(result)}\n`)
      expect(result.acknowledged).toBeGreaterThan(100)
      expect(result.lostUnacknowledged).toBeGreaterThan(0)
    } finally {
      volume.dispose()
    }
  },
  120_000,
)
