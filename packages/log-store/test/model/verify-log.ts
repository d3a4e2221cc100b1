// What must hold of a log whose records are known, whatever happened before.
import type { Log } from '../../src/index'
import { decodeBatches, type ModelLog } from './model-log'
import { requireSame } from './requirements'

export async function verifyLog(log: Log, model: ModelLog, step: number): Promise<void> {
  const { logStartOffset, recoveryPoint, acknowledgedOffset, writtenOffset, logEndOffset } = log
  const marks = [logStartOffset, recoveryPoint, acknowledgedOffset, writtenOffset, logEndOffset]
  requireSame(
    'marks of the log in order',
    marks,
    [...marks].sort((a, b) => a - b),
  )
  requireSame('written', writtenOffset, logEndOffset)
  for (const { base, last, epoch } of model.batches) {
    const offset = Math.max(base, model.start)
    if (last >= model.start) requireSame(`epoch of ${offset}`, log.epochAt(offset), epoch)
  }
  await verifyTimes(log, model, 1000 + ((step * 7) % 52))
  await verifyRead(log, model, model.start + ((step * 5) % Math.max(1, model.end - model.start)))
}

async function verifyTimes(log: Log, model: ModelLog, timestamp: number): Promise<void> {
  const first = model.firstSince(timestamp)
  const found = await log.offsetForTimestamp(timestamp)
  requireSame(`first record since ${timestamp}`, found?.offset, first?.offset)
  requireSame(`its timestamp`, found?.timestamp, first?.timestamp)
  const youngest = await log.maxTimestampOffset()
  requireSame('the youngest record', youngest?.offset, model.youngest?.offset)
}

/** A read from anywhere begins with the batch that holds the offset, or the next one there is. */
async function verifyRead(log: Log, model: ModelLog, from: number): Promise<void> {
  const wanted = model.batches.find(({ last }) => last >= from)
  const { bytes } = await log.read({ from, maxBytes: 1 })
  requireSame(`batch at ${from}`, decodeBatches(bytes)[0], wanted)
  requireSame(`one batch at ${from}`, decodeBatches(bytes).length, wanted === undefined ? 0 : 1)
}
