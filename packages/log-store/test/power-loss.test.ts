// Property: a real file system whose power goes in mid-write keeps every acknowledged record. The power
// is the ioctl that shuts a mounted ext4 or xfs image down without its journal.
import { MountedVolume } from './support/mounted-volume'
import { rounds } from './support/proofs'
import { powerCycles } from './support/power-cycles'

test.each([
  ['ext4', 'commit=1000', 1],
  ['xfs', '', 2],
] as const)('power cuts in the middle of appends on %s', async (kind, mountOptions, seed) => {
  const volume = MountedVolume.make(kind, mountOptions)
  if (typeof volume === 'string') {
    process.stdout.write(`${volume}\n`)
    return
  }
  try {
    const result = await powerCycles(volume, { cycles: rounds(25, 3), seed })
    process.stdout.write(`power loss on ${kind}: ${JSON.stringify(result)}\n`)
    expect(result.acknowledged).toBeGreaterThan(rounds(100, 10))
    expect(result.lostUnacknowledged).toBeGreaterThan(0)
  } finally {
    volume.dispose()
  }
})
