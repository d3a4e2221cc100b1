// Property: wherever the writing of a checked file is stopped, what is read then is the old content
// or the new one, and what was damaged before is not believed.
import { readCheckedFile, writeCheckedFile } from '../src/checkpoint-file'
import { type CrashOutcome, faultyFileSystem } from '../src/index'

const outcomes: CrashOutcome[] = ['lose-unsynced', 'keep-unsynced', 'tear-last-write']
const path = '/data/file'

test.each(outcomes.flatMap((outcome) => [[outcome, false] as const, [outcome, true] as const]))(
  'stops while it is written, %s, damaged before: %p',
  async (outcome, damaged) => {
    const found = new Set<string>()
    let stopped = true
    for (let at = 1; stopped; at++) {
      const disk = faultyFileSystem()
      await disk.makeDirectory('/data')
      await writeCheckedFile(disk, path, Buffer.from('old'))
      if (damaged) {
        const handle = disk.open(path, 'update')
        handle.writevSync([Buffer.from('odd')], 0)
        await new Promise((resolve) => handle.syncData(resolve))
        handle.close()
      }
      disk.crashAt(at)
      await writeCheckedFile(disk, path, Buffer.from('new')).catch(() => undefined)
      stopped = disk.stopped
      disk.crash(outcome)
      const content = await readCheckedFile(disk, path).catch(
        (error: { code: string }) => error.code,
      )
      found.add(typeof content === 'string' ? content : Buffer.from(content!).toString())
    }
    expect([...found].sort()).toEqual(damaged ? ['KFK_STORE_CORRUPT', 'new'] : ['new', 'old'])
  },
)
