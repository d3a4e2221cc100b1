import { frameFormat, openLogDirectory, StoreError } from '../../src/index'
import type { FileSystem, Frame, Log, LogDirectory, LogDirectoryOptions } from '../../src/index'
import type { LogExpectation } from './crash-history'
import { directoryPath } from './crash-workload'
import { ManualClock } from './manual-clock'

/** What is wrong with what a crash left. */
export class Violation extends Error {}

/** Throws a Violation unless it holds. */
export function must(condition: boolean, whatIsWrong: () => string): void {
  if (!condition) throw new Violation(whatIsWrong())
}

interface VerifyRequest {
  readonly options: LogDirectoryOptions
  readonly processOnly: boolean
  /** Whether lookups by offset and time were verified in a log with the same bytes. */
  readonly isLookedUp?: (name: string) => boolean
}

/**
 * Opens what a crash left and compares all of it with what was promised: records, order, indexes,
 * epochs, log start. `processOnly`: only the process ended, so that whatever was written must be there.
 */
export async function openAndVerify(
  fileSystem: FileSystem,
  expected: ReadonlyMap<string, LogExpectation>,
  request: VerifyRequest,
): Promise<LogDirectory> {
  const directory = await openLogDirectory(directoryPath, {
    ...request.options,
    fileSystem,
    clock: new ManualClock(),
    // Not to be asked of the system again and again.
    maxOpenFiles: 512,
    maxConcurrentSyncs: 3,
    onReport({ kind, message }) {
      must(kind !== 'checkpoint-unreadable' && kind !== 'poisoned', () => `${kind}: ${message}`)
    },
  })
  const names = directory.names()
  for (const name of names) must(expected.has(name), () => `log ${name} was invented`)
  for (const [name, log] of expected) {
    const promised = request.processOnly ? log.written : log.durable
    if (!names.includes(name)) {
      must(log.existence !== 'yes' && promised.size === 0, () => `log ${name} is gone`)
      continue
    }
    must(log.existence !== 'no', () => `log ${name} came back`)
    try {
      const opened = await directory.open(name)
      const frames = await verifyLog(opened, log, promised)
      // The list of a clean close goes by dates, too, which are no part of the bytes.
      const isKnown = !directory.cleanStart && request.isLookedUp?.(name) === true
      if (!isKnown) await verifyLookups(opened, frames)
    } catch (error) {
      if (!(error instanceof Violation || error instanceof StoreError)) throw error
      throw new Violation(`log ${name}: ${error.message}`, { cause: error })
    }
  }
  return directory
}

async function verifyLog(
  log: Log,
  expected: LogExpectation,
  promised: ReadonlyMap<number, string>,
): Promise<Frame[]> {
  const { logStartOffset: start, logEndOffset: end } = log
  must(
    start >= expected.startAtLeast && start <= expected.startAtMost,
    () => `log start ${start} not in ${expected.startAtLeast} to ${expected.startAtMost}`,
  )
  const frames = await readFrames(log)
  let due = start
  for (const { offset, value } of frames) {
    for (; due < offset; due++) {
      must(expected.optional.has(due), () => `offset ${due} is missing before ${offset}`)
    }
    must(offset === due, () => `offset ${offset} after ${due - 1}`)
    const text = Buffer.from(value).toString()
    const epoch = expected.appended.get(offset)?.get(text)
    must(epoch !== undefined, () => `invented at ${offset}: ${text}`)
    must(log.epochAt(offset) === epoch, () => `epoch ${log.epochAt(offset)} at ${offset}: ${epoch}`)
    due = offset + 1
  }
  if (frames.length === 0) due = end
  for (; due < end; due++) must(expected.optional.has(due), () => `log end ${end} after ${due - 1}`)
  must(due === end, () => `log end ${end} after ${due - 1}`)
  const found = new Map(frames.map((frame) => [frame.offset, Buffer.from(frame.value).toString()]))
  for (const [offset, text] of promised) {
    if (offset < start || (expected.optional.has(offset) && !found.has(offset))) continue
    must(found.get(offset) === text, () => `${offset} was acknowledged: ${text}`)
  }
  verifyKeys(expected, promised, frames)
  const { latestEpoch } = log
  const last = frames.at(-1)
  must(
    last === undefined || latestEpoch === log.epochAt(last.offset),
    () => `latest epoch is ${latestEpoch}`,
  )
  return frames
}

/** What a key had before does not come back: neither in place of its latest record, nor of a tombstone. */
function verifyKeys(
  { keys }: LogExpectation,
  promised: ReadonlyMap<number, string>,
  frames: readonly Frame[],
): void {
  const found = new Map<string, number>()
  for (const { key, offset } of frames) {
    if (key !== null) found.set(Buffer.from(key).toString(), offset)
  }
  for (const offset of promised.keys()) {
    const key = keys.get(offset)
    const last = key === undefined ? undefined : found.get(key)
    must(last === undefined || last >= offset, () => `${key} at ${last}, which ${offset} replaced`)
  }
}

/** All records from the log start on. */
export async function readFrames(log: Log): Promise<Frame[]> {
  const frames: Frame[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 4096 })
    must(slice.nextOffset > from, () => `nothing to read at ${from}`)
    for (const frame of frameFormat.decode(slice.bytes))
      if (frame.offset >= from) frames.push(frame)
    from = slice.nextOffset
  }
  return frames
}

/** Every offset and every timestamp is found through the indexes as a full scan finds it. */
async function verifyLookups(log: Log, frames: readonly Frame[]): Promise<void> {
  for (const { offset } of frames) {
    const [first] = frameFormat.decode((await log.read({ from: offset, maxBytes: 1 })).bytes)
    must(first?.offset === offset, () => `read of ${offset} gave ${first?.offset}`)
  }
  let largest = -1
  // What is found for a timestamp is the first record that reaches it: those that set a new height.
  for (const [at, { offset, timestamp }] of frames.entries()) {
    if (timestamp <= largest) continue
    // Half way between two heights, or at one.
    const wanted = at % 2 === 0 ? timestamp : largest + 1
    largest = timestamp
    const found = await log.offsetForTimestamp(wanted)
    must(found?.offset === offset, () => `time ${wanted} gave ${found?.offset}, not ${offset}`)
  }
  const beyond = await log.offsetForTimestamp(largest + 1)
  must(beyond === undefined, () => `time ${largest + 1} gave ${beyond?.offset}`)
  const maximum = await log.maxTimestampOffset()
  must(
    (maximum?.timestamp ?? -1) === largest,
    () => `largest timestamp ${maximum?.timestamp}, not ${largest}`,
  )
}
