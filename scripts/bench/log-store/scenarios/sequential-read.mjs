// Reading a log from its start to its end through one buffer, against a file read the same way.
import { fill, frameOf, mib, openOne, rateFigures, repeated, stopwatch } from '../fixture.mjs'

const passes = 4

/** One pass over the log, by `readNow` where it answers; the bytes read. */
async function readThrough(log, into) {
  let bytes = 0
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const request = { from, maxBytes: into.length, into }
    const slice = log.readNow(request) ?? (await log.read(request))
    bytes += slice.bytes.length
    from = slice.nextOffset
  }
  return bytes
}

async function timedPasses(log, readBytes) {
  const into = Buffer.alloc(readBytes)
  for (let pass = 0; pass < 3; pass++) await readThrough(log, into)
  const watch = stopwatch()
  let bytes = 0
  for (let pass = 0; pass < passes; pass++) bytes += await readThrough(log, into)
  return watch(bytes)
}

const logFile = (dir) => `${dir}/bench-0/${'0'.repeat(20)}.log`
const groupOf = (frameBytes) => repeated(frameOf(frameBytes), mib / frameBytes)

function readCase(name, { frameBytes, readBytes, aim, reopened }) {
  return ({ quick }) => {
    const bytes = (quick ? 64 : 192) * mib
    return {
      name,
      figures: rateFigures(aim),
      async prepare({ dir }) {
        const { directory, log } = await openOne(dir)
        fill(log, groupOf(frameBytes), bytes)
        await directory.close()
      },
      baseline: ({ dir }) => ['read', logFile(dir), readBytes, passes + 1],
      async measure({ dir }) {
        const { directory, log } = await openOne(dir)
        // To the process that has just opened it a log is cold: what it wrote or read itself is not.
        if (reopened) {
          const watch = stopwatch()
          const figures = watch(await readThrough(log, Buffer.alloc(readBytes)))
          await directory.close()
          return figures
        }
        const figures = await timedPasses(log, readBytes)
        await directory.close()
        return figures
      },
    }
  }
}

const aim = { ratio: 0.9 }
const cases = [
  readCase('sequential read, 1 MB reads of 16 KB batches', {
    frameBytes: 16384,
    readBytes: mib,
    aim,
  }),
  readCase('sequential read, 64 KB reads of 16 KB batches', {
    frameBytes: 16384,
    readBytes: 65536,
    aim,
  }),
  readCase('sequential read, 1 MB reads of 1 KB batches', { frameBytes: 1024, readBytes: mib }),
  readCase('sequential read, 1 MB reads, just opened', {
    frameBytes: 16384,
    readBytes: mib,
    reopened: true,
  }),
]

export default { name: 'sequential-read', cases: (context) => cases.map((each) => each(context)) }
