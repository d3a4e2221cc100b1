// What must hold of a log whose records are known, whatever happened before.
import type { EmbeddedLog } from '../../src/embedded-log'
import type { Log } from '../../src/index'
import { decodeBatches, type ModelLog, noValue } from './model-log'
import { requireSame } from './requirements'

const durabilities = [undefined, 'disk', 'os'] as const

export async function verifyLog(
  log: Log,
  embedded: EmbeddedLog,
  { model, step }: { model: ModelLog; step: number },
): Promise<void> {
  const { logStartOffset, recoveryPoint, acknowledgedOffset, writtenOffset, logEndOffset } = log
  const marks = [logStartOffset, recoveryPoint, acknowledgedOffset, writtenOffset, logEndOffset]
  requireSame(
    'marks of the log in order',
    marks,
    [...marks].sort((a, b) => a - b),
  )
  requireSame('written', writtenOffset, logEndOffset)
  verifyEpochs(log, model)
  const timestamp = 1000 + ((step * 7) % 52)
  await verifyTimes(log, model, timestamp)
  const from = model.start + ((step * 5) % Math.max(1, model.end - model.start))
  await verifyRead(log, model, from)
  await verifyEmbedded(log, embedded, { model, step, from, timestamp })
}

function verifyEpochs(log: Log, model: ModelLog): void {
  for (const { base, last, epoch } of model.visible) {
    const offset = Math.max(base, model.start)
    requireSame(`epoch of ${offset}`, log.epochAt(offset), epoch)
    const { leaderEpoch, endOffset } = log.epochEnd(epoch)
    requireSame(`largest epoch up to ${epoch}`, leaderEpoch, epoch)
    const next = model.visible.find((other) => other.epoch > epoch)?.base ?? model.end
    // An epoch without records may begin between.
    const sound = endOffset > last && endOffset <= next
    if (!sound) throw new Error(`epoch ${epoch} ends at ${endOffset}, not in (${last}, ${next}]`)
  }
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
  requireSame(`damage at ${from}`, await log.verify(from), undefined)
}

interface Look {
  readonly model: ModelLog
  readonly step: number
  readonly from: number
  readonly timestamp: number
}

/** The same through the embedded log, as safe as asked for. */
async function verifyEmbedded(log: Log, embedded: EmbeddedLog, look: Look): Promise<void> {
  const { model, step, from, timestamp } = look
  const { startOffset, endOffset, queuedBytes } = embedded.stats()
  requireSame('bounds', [startOffset, endOffset, queuedBytes], [model.start, model.end, 0])
  const durability = durabilities[step % 3]
  const options = durability === undefined ? {} : { durability }
  // It may move on at every wait.
  const readable = () => {
    const { recoveryPoint, acknowledgedOffset, writtenOffset } = log
    const limits = { disk: recoveryPoint, os: writtenOffset, own: acknowledgedOffset }
    const limit = limits[durability ?? 'own']
    return { limit, records: model.records.filter(({ offset }) => offset < limit) }
  }
  const expected = readable().records
  const all: unknown[] = []
  for await (const { offset, timestamp: ms, key, value, tombstone } of embedded.records(options)) {
    const text = tombstone ? noValue : Buffer.from(value).toString()
    all.push({ offset, timestamp: ms, key: key && Buffer.from(key).toString(), value: text })
  }
  requireSame('records', all, expected)
  const { limit } = readable()
  const batch = model.visible.find(({ last }) => last >= from && last < limit)
  if (from < limit) {
    const { records } = await embedded.read({ from, maxBytes: 1, ...options })
    const first = batch?.records.find(({ offset }) => offset >= from)
    requireSame(`page at ${from}`, records[0]?.offset, first?.offset)
  }
  const first = readable().records.find((record) => record.timestamp >= timestamp)
  const since = await embedded.offsetForTimestamp(timestamp, options)
  requireSame(`readable since ${timestamp}`, since, first?.offset)
}
