import { basename, dirname, join } from 'node:path'
import type { BatchFormat } from './batch-format.js'
import { readCheckedFile, readWholeFile } from './checkpoint-file.js'
import { type DumpLine, line, problem } from './dump-line.js'
import { StoreError } from './errors.js'
import { companionFileName, segmentFileName, segmentSuffixes } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'
import { gapsEverywhere } from './offset-gaps.js'
import { decodeSnapshot, isDetailOf, type ProducerEntry } from './producer-snapshot.js'
import { scanBatches } from './segment-scan.js'
import { decodeTransactionIndex } from './transaction-index.js'

/** The file, and whose it is. */
interface DumpedFile {
  readonly fileSystem: FileSystem
  readonly format: BatchFormat
  readonly path: string
  readonly baseOffset: number
  readonly options: { readonly quiet?: boolean }
}

/** The producers in a `.snapshot` file: its checksum is verified, and that they lie before it. */
export async function* dumpSnapshot(file: DumpedFile): AsyncGenerator<DumpLine, void, undefined> {
  const { fileSystem, path, baseOffset, options } = file
  const state = (await readWholeFile(fileSystem, path)) ?? new Uint8Array(0)
  yield line(`producer snapshot ${path}, at offset ${baseOffset}, ${state.length} bytes`)
  const entries = decodeSnapshot({ state })
  if (entries === undefined) {
    yield problem('not a snapshot: version, size or checksum are wrong')
    return
  }
  const detailPath = join(dirname(path), companionFileName(baseOffset, '.snapshot-detail'))
  const detail = await readWholeFile(fileSystem, detailPath)
  if (detail !== undefined && !isDetailOf(detail, state)) {
    yield problem(`${basename(detailPath)} is damaged, or of another snapshot`)
  }
  const whole = detail === undefined ? entries : decodeSnapshot({ state, detail })!
  for (const entry of whole) {
    const text = describeProducer(entry)
    const last = entry.batches.at(-1)?.lastOffset ?? -1
    if (last >= baseOffset || entry.transactionFirstOffset >= baseOffset) {
      yield problem(`${text}: beyond the snapshot`)
    } else if (options.quiet !== true) yield line(text)
  }
  yield line(`${whole.length} producers`)
}

function describeProducer(entry: ProducerEntry): string {
  const { producerId, epoch, coordinatorEpoch, transactionFirstOffset, lastTimestamp } = entry
  const parts = [`producer ${producerId} epoch ${epoch}`, `timestamp ${lastTimestamp}`]
  if (coordinatorEpoch >= 0) parts.push(`coordinator epoch ${coordinatorEpoch}`)
  if (transactionFirstOffset >= 0) parts.push(`open transaction from ${transactionFirstOffset}`)
  const batches = entry.batches.map(
    ({ firstSequence, lastSequence, lastOffset, offsetDelta }) =>
      `${firstSequence}..${lastSequence} at ${lastOffset - offsetDelta}..${lastOffset}`,
  )
  return [...parts, `sequences ${batches.join(', ') || 'none'}`].join(' ')
}

/**
 * The aborted transactions in a `.txnindex` file: its checksum is verified if there is one, and
 * that the log has a marker where an entry says so, if the format can tell.
 */
export async function* dumpTransactionIndex(
  file: DumpedFile,
): AsyncGenerator<DumpLine, void, undefined> {
  const { fileSystem, path, baseOffset, options } = file
  const bytes = (await readWholeFile(fileSystem, path)) ?? new Uint8Array(0)
  yield line(`transaction index ${path}, base offset ${baseOffset}, ${bytes.length} bytes`)
  try {
    await readCheckedFile(fileSystem, path)
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) throw error
    yield problem('its checksum beside it does not match')
  }
  const segment = { baseOffset, endOffset: Number.MAX_SAFE_INTEGER }
  const entries = decodeTransactionIndex(bytes, segment)
  if (entries === undefined) {
    yield problem('not a transaction index: sizes or order are impossible')
    return
  }
  const markers = await abortMarkers(file)
  for (const entry of entries) {
    const { producerId, firstOffset, lastOffset, lastStableOffset } = entry
    const text = `producer ${producerId} offsets ${firstOffset}..${lastOffset} stable ${lastStableOffset}`
    if (markers !== undefined && markers.get(lastOffset) !== producerId) {
      yield problem(`${text}: the log has no abort marker of it there`)
    } else if (options.quiet !== true) yield line(text)
  }
  yield line(`${entries.length} aborted transactions`)
}

/** Producers by the offset of their marker; undefined when there is nothing to compare with. */
async function abortMarkers(file: DumpedFile): Promise<Map<number, bigint> | undefined> {
  const { fileSystem, format, path, baseOffset } = file
  const logPath = join(dirname(path), segmentFileName(baseOffset, segmentSuffixes.log))
  const { producer } = format
  if (producer === undefined || (await fileSystem.stat(logPath)) === undefined) return undefined
  const found = new Map<number, bigint>()
  const handle = fileSystem.open(logPath, 'read')
  try {
    await scanBatches({
      ...{ format, handle, from: 0, to: handle.size(), expectedOffset: baseOffset },
      ...{ gapsBelow: gapsEverywhere, verify: false },
      onBatch(batch, _position, bytes, at) {
        const described = producer.describe(bytes, at)
        if (described?.control === 'abort') found.set(batch.baseOffset, described.producerId)
        return true
      },
    })
  } finally {
    handle.close()
  }
  return found
}
