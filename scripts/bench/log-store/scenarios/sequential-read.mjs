// Reading a log from its start to its end through one buffer, against a file read the same way, by a program in C and
// by bare Node.
import fs from 'node:fs'
import { bareRead } from '../bare-node.mjs'
import {
  bareRateFigures,
  compiled,
  fill,
  frameOf,
  mib,
  openOne,
  rateFigures,
  repeated,
  stopwatch,
} from '../fixture.mjs'

const passes = 8

/** One pass over the log, by `readNow` where it answers; the bytes read. Without `into` each read makes its memory. */
async function readThrough(log, maxBytes, into) {
  let bytes = 0
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const request = { from, maxBytes, into }
    const slice = log.readNow(request) ?? (await log.read(request))
    bytes += slice.bytes.length
    from = slice.nextOffset
  }
  return bytes
}

async function timedPasses(run) {
  await compiled(run)
  const watch = stopwatch()
  let bytes = 0
  for (let pass = 0; pass < passes; pass++) bytes += await run()
  return watch(bytes)
}

async function firstPass(run) {
  const watch = stopwatch()
  return watch(await run())
}

const logFile = (dir) => `${dir}/bench-0/${'0'.repeat(20)}.log`
const groupOf = (frameBytes) => repeated(frameOf(frameBytes), mib / frameBytes)

function readCase(name, { frameBytes, readBytes, aim, opened = 'long ago', fresh = false }) {
  return ({ quick }) => {
    const bytes = (quick ? 64 : 192) * mib
    return {
      name,
      figures: [...rateFigures(aim), ...bareRateFigures],
      async prepare({ dir }) {
        const { directory, log } = await openOne(dir)
        fill(log, groupOf(frameBytes), bytes)
        await directory.close()
      },
      baseline: ({ dir }) => [fresh ? 'read-fresh' : 'read', logFile(dir), readBytes, passes],
      bare({ dir }) {
        const file = fs.openSync(logFile(dir), 'r')
        const into = fresh ? undefined : Buffer.alloc(readBytes)
        return timedPasses(() => bareRead(file, readBytes, into))
      },
      async measure({ dir }) {
        const into = fresh ? undefined : Buffer.alloc(readBytes)
        if (opened === 'again') {
          const { directory, log } = await openOne(dir)
          await compiled(() => readThrough(log, readBytes, into))
          await directory.close()
        }
        const { directory, log } = await openOne(dir)
        // To the process that has just opened it a log is cold: what it wrote or read itself is not.
        const timed = opened === 'long ago' ? timedPasses : firstPass
        const figures = await timed(() => readThrough(log, readBytes, into))
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
  readCase('sequential read, 1 MB reads, fresh memory for each', {
    frameBytes: 16384,
    readBytes: mib,
    fresh: true,
  }),
  readCase('sequential read, 1 MB reads, just opened', {
    frameBytes: 16384,
    readBytes: mib,
    opened: 'again',
  }),
  readCase('sequential read, 1 MB reads, in a new process', {
    frameBytes: 16384,
    readBytes: mib,
    opened: 'first',
  }),
]

export default { name: 'sequential-read', cases: (context) => cases.map((each) => each(context)) }
