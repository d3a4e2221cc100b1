// What must not depend on how large a log is, with logs of 1, 100 and 10,240 segments of 1 GiB (sparse-logs.mjs).
//
// Ratios are taken within a process that has all sizes open, in turns of a few dozen calls: the same compiled code, the same
// mood of the machine. Who begins changes with each turn. What comes first is left out: code is compiled then.
import path from 'node:path'
import { frameOf, leaderEpoch } from '../fixture.mjs'
import {
  activeBase,
  anyPlace,
  buildSparseLogs,
  busyBytes,
  busySegment,
  openSparse,
  placesOf,
  recordBytes,
  sizes,
  timestampOf,
} from '../sparse-logs.mjs'
import { settledBytes } from '../memory.mjs'
import { median } from '../table.mjs'

const largest = sizes.at(-1)
const ratioLabel = `${largest.label} : ${sizes[0].label}`

/** All cases share the logs; they go with the directory above. */
const logsDir = ({ dir }) => path.join(path.dirname(dir), 'sparse-logs')
const dirOf = (context, { count }) => path.join(logsDir(context), String(count))
const prepare = (context) => buildSparseLogs(logsDir(context))

/** Columns by size, and the ratio of the largest to the smallest. */
const sizeFigures = (unit, aim) => [
  ...sizes.map(({ label }) => ({ key: label, label, unit })),
  { key: 'ratio', label: ratioLabel, unit: 'x', aim },
]

/** Runs `run(subject)` for each subject in turn, `calls` times a turn; microseconds by label, and the ratio. */
async function inTurns(subjects, { turns, calls, run }) {
  const medians = new Map(subjects.map(({ label }) => [label, []]))
  const warmUp = Math.ceil(turns / 3)
  for (let turn = 0; turn < turns + warmUp; turn++) {
    for (let n = 0; n < subjects.length; n++) {
      const subject = subjects[(turn + n) % subjects.length]
      const taken = []
      for (let call = 0; call < calls; call++) taken.push(await run(subject))
      if (turn >= warmUp) medians.get(subject.label).push(median(taken))
    }
  }
  const [first, last] = [sizes[0], largest].map(({ label }) => medians.get(label))
  const figures = Object.fromEntries([...medians].map(([label, list]) => [label, median(list)]))
  return { ...figures, ratio: median(last.map((value, turn) => value / first[turn])) }
}

const elapsedUs = (start) => (performance.now() - start) * 1000

/** Opens all sizes for `use`. */
async function withAll(context, options, use) {
  const subjects = []
  for (const size of sizes) {
    subjects.push({ ...size, ...(await openSparse(dirOf(context, size), options)) })
  }
  const answer = await use(subjects)
  for (const { directory } of subjects) await directory.close()
  return answer
}

/**
 * The directory and its log, once in a process that has opened nothing before. What that takes apart from the log is shown
 * by a directory without any, which comes first: modules of Node and of the lock are loaded. All that is done for a log is
 * done for the first time behind it, too.
 */
const coldOpenCase = (size) => ({
  name: `open after a clean close, new process, ${size.label}`,
  figures: [
    { key: 'empty', label: 'a directory without logs before', unit: 'ms' },
    { key: 'ms', unit: 'ms', aim: size === largest ? { atMost: 5 } : {} },
  ],
  prepare,
  async measure(context) {
    const emptyDir = path.join(context.dir, 'empty')
    const start = performance.now()
    const empty = await openSparse(emptyDir, { empty: true })
    const opened = performance.now()
    await empty.directory.close()
    const again = performance.now()
    const { directory } = await openSparse(dirOf(context, size))
    const ms = performance.now() - again
    await directory.close()
    return { empty: opened - start, ms }
  },
})

const warmOpenCase = ({ quick }) => ({
  name: 'open after a clean close, compiled',
  figures: sizeFigures('us'),
  prepare,
  measure: (context) =>
    inTurns(sizes, {
      turns: quick ? 10 : 30,
      calls: 1,
      async run(size) {
        const start = performance.now()
        const { directory } = await openSparse(dirOf(context, size))
        const us = elapsedUs(start)
        await directory.close()
        return us
      },
    }),
})

/** Opens, searches, closes; a function of its own, so that nothing of it is left when the next size has its turn. */
async function memoryOf(context, size) {
  const before = await settledBytes()
  const { directory, log } = await openSparse(dirOf(context, size))
  const opened = (await settledBytes()) - before
  await log.offsetForTimestamp(timestampOf(placesOf(size.count, busySegment(size.count))[1]))
  const searched = (await settledBytes()) - before
  await directory.close()
  return { opened, searched }
}

/** Memory of an open log: heap and buffers, after a collection, against before. */
const memoryCase = () => ({
  name: 'memory of an open log',
  figures: [
    ...sizes.map(({ label }) => ({ key: label, label, unit: 'KiB' })),
    { key: 'perSegment', label: 'per segment', unit: 'B', aim: { atMost: 40.5, shown: 40 } },
    { key: 'afterFind', label: 'per segment, after a find', unit: 'B' },
  ],
  prepare,
  async measure(context) {
    const opened = new Map(sizes.map(({ label }) => [label, []]))
    const searched = new Map(sizes.map(({ label }) => [label, []]))
    for (let pass = 0; pass < 7; pass++) {
      for (const size of sizes) {
        const found = await memoryOf(context, size)
        // The first passes pay for code and caches.
        if (pass < 2) continue
        opened.get(size.label).push(found.opened)
        searched.get(size.label).push(found.searched)
      }
    }
    const perSegment = (memory) => {
      const more = median(memory.get(largest.label)) - median(memory.get(sizes[0].label))
      return more / (largest.count - sizes[0].count)
    }
    return {
      ...Object.fromEntries([...opened].map(([label, list]) => [label, median(list) / 1024])),
      perSegment: perSegment(opened),
      afterFind: perSegment(searched),
    }
  },
})

const appendCase = ({ quick }) => ({
  name: 'append, 16 KB batch, left to the page cache',
  figures: sizeFigures('us', { atMost: 1.1 }),
  prepare,
  measure: (context) =>
    withAll(context, {}, async (subjects) => {
      const ends = subjects.map(({ log }) => log.logEndOffset)
      // No later than the last record, so that no segment is rolled by time.
      for (const subject of subjects) {
        const timestamp = timestampOf(subject.log.logEndOffset - 1)
        subject.frame = frameOf(16 * 1024, { timestamp })
      }
      const figures = await inTurns(subjects, {
        turns: quick ? 15 : 45,
        calls: 50,
        run({ log, frame }) {
          const start = performance.now()
          log.append(frame, { leaderEpoch })
          log.flushNow()
          return elapsedUs(start)
        },
      })
      for (const [n, { log }] of subjects.entries()) await log.truncateTo(ends[n])
      return figures
    }),
})

/** One record at `from`. */
async function readOne(log, from) {
  const start = performance.now()
  const { nextOffset } = await log.read({ from, maxBytes: recordBytes })
  const us = elapsedUs(start)
  if (nextOffset !== from + 1) throw new Error(`read at ${from}`)
  return us
}

async function findOne(log, offset) {
  const start = performance.now()
  const found = await log.offsetForTimestamp(timestampOf(offset))
  const us = elapsedUs(start)
  if (found?.offset !== offset) throw new Error(`found ${found?.offset} instead of ${offset}`)
  return us
}

/** In a segment in the middle of the log that has been in use. */
function inOneSegment({ count }) {
  const places = placesOf(count, busySegment(count))
  return places[Math.floor(Math.random() * places.length)]
}

const usedSegmentCase = (name, one, { turns, calls }) => ({
  name,
  figures: sizeFigures('us', { atMost: 1.1 }),
  prepare,
  measure: (context) =>
    withAll(context, {}, async (subjects) => {
      for (const { log, count } of subjects) {
        // The page cache has the places now, and the store knows.
        for (const from of placesOf(count, busySegment(count))) {
          await log.read({ from, maxBytes: busyBytes })
        }
      }
      return inTurns(subjects, { turns, calls, run: (size) => one(size.log, inOneSegment(size)) })
    }),
})

/** Anywhere, as it comes: in the small logs all files are soon open, of the large one few are. */
const anywhereCase = (name, one, { turns, calls }) => ({
  name,
  figures: sizeFigures('us'),
  prepare,
  measure: (context) =>
    withAll(context, {}, (subjects) =>
      inTurns(subjects, { turns, calls, run: ({ log, count }) => one(log, anyPlace(count)) }),
    ),
})

/**
 * Anywhere, and in all sizes alike: two files may be open, and what is not measured opens those of the active segment
 * before. So all sizes make the same system calls, which the baseline makes too: to open one of 30,000 files takes the system
 * longer than to open the same one again and again. So the ratio is compared with that of the baseline, not with 1.
 */
const closedFilesCase = (name, one, { turns, calls }) => ({
  name,
  figures: sizeFigures('us', { ratioAtMost: 1 }),
  prepare,
  baseline: (context) => [
    ...['closed', logsDir(context), one === findOne ? 1 : 0, turns, calls],
    ...sizes.flatMap(({ count, label }) => [count, label]),
  ],
  measure: (context) =>
    withAll(context, { maxOpenFiles: 2 }, (subjects) =>
      inTurns(subjects, {
        turns,
        calls,
        async run({ log, count }) {
          await readOne(log, activeBase(count))
          return one(log, anyPlace(count))
        },
      }),
    ),
})

function searchCases(name, one, { quick, calls }) {
  const turns = quick ? 15 : 60
  return [
    usedSegmentCase(`${name}, segment in use`, one, { turns, calls }),
    closedFilesCase(`${name} anywhere, files closed`, one, { turns, calls: calls / 4 }),
    anywhereCase(`${name} anywhere`, one, { turns, calls: calls / 4 }),
  ]
}

export default {
  name: 'constant-time',
  cases: (context) => [
    ...sizes.map(coldOpenCase),
    warmOpenCase(context),
    memoryCase(),
    appendCase(context),
    ...searchCases('read by offset', readOne, { ...context, calls: 200 }),
    ...searchCases('find by timestamp', findOne, { ...context, calls: 80 }),
  ],
}
