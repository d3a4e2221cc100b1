// A format whose batches have producers: a frame of several offsets, which its key describes.
import { bodyOf } from '../../src/frame-layout'
import { frameFormat, ProducerTracker } from '../../src/index'
import type { AbortedTransaction, BatchFormat, Log, ProducerSummary } from '../../src/index'

/** What the key of a frame says; nothing: no producer. */
interface Fields {
  readonly id: number
  readonly epoch: number
  readonly sequence: number
  readonly transactional: boolean
  readonly control?: 'commit' | 'abort' | 'other'
  readonly coordinatorEpoch?: number
}

function fieldsOf(bytes: Uint8Array, position: number): Fields | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + position, bytes.length - position)
  const keyLength = view.getInt32(30)
  if (keyLength < 0) return undefined
  const at = bodyOf(bytes, position)
  const key = bytes.subarray(at, at + keyLength)
  return JSON.parse(Buffer.from(key).toString()) as Fields
}

export const producerFrames: BatchFormat = {
  ...frameFormat,
  // Producers are described from the whole frame.
  producer: {
    describe(bytes, position): ProducerSummary | undefined {
      const fields = fieldsOf(bytes, position)
      if (fields === undefined) return undefined
      const { id, epoch, sequence, transactional, control, coordinatorEpoch } = fields
      return {
        producerId: BigInt(id),
        producerEpoch: epoch,
        baseSequence: sequence,
        lastSequence: sequence,
        transactional,
        ...(control === undefined ? {} : { control }),
        ...(coordinatorEpoch === undefined ? {} : { coordinatorEpoch }),
      }
    },
  },
}

/** A producer that numbers its frames. */
export class Producer {
  #sequence = 0
  readonly id: number
  readonly epoch: number

  constructor(id: number, epoch = 0) {
    this.id = id
    this.epoch = epoch
  }

  data(options: { transactional?: boolean; timestamp?: number; bytes?: number } = {}): Uint8Array {
    const { transactional = false, timestamp = 1000, bytes = 20 } = options
    const sequence = this.#sequence++
    return this.#frame({ sequence, transactional }, timestamp, bytes)
  }

  marker(control: 'commit' | 'abort', timestamp = 1000): Uint8Array {
    const coordinatorEpoch = 3
    return this.#frame(
      { sequence: -1, transactional: true, control, coordinatorEpoch },
      timestamp,
      0,
    )
  }

  #frame(fields: Omit<Fields, 'id' | 'epoch'>, timestamp: number, bytes: number): Uint8Array {
    const { id, epoch } = this
    const key = Buffer.from(JSON.stringify({ id, epoch, ...fields }))
    return frameFormat.encode(Buffer.alloc(bytes, `p${id}`), { key, timestamp })
  }
}

/** The tracker of a log, which must be the default one. */
export function producersOf(log: Log): ProducerTracker {
  if (log.tracker instanceof ProducerTracker) return log.tracker
  throw new Error(`${log.name} has no producer tracker`)
}

/** All that is known of a log's producers and transactions, to be compared. */
export interface ProducerView {
  readonly producers: unknown[]
  readonly firstUnstable: number | undefined
  readonly aborted: readonly AbortedTransaction[]
}

export async function viewOf(log: Log): Promise<ProducerView> {
  const tracker = producersOf(log)
  const producers = [...tracker.entries()].sort((a, b) => Number(a.producerId - b.producerId))
  const aborted = await log.abortedTransactions(log.logStartOffset, log.writtenOffset)
  return { producers, firstUnstable: tracker.firstUnstableOffset(log.writtenOffset), aborted }
}

/** The same by a replay of all that is left of the log, trusting no file but the data. */
export async function replayed(log: Log): Promise<ProducerView> {
  const tracker = new ProducerTracker(producerFrames.producer!, {
    expirationMs: Number.MAX_SAFE_INTEGER,
  })
  const aborted: AbortedTransaction[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const { bytes, nextOffset } = await log.read({ from, maxBytes: 1000 })
    for (let at = 0; at < bytes.length;) {
      const batch = producerFrames.describe(bytes, at)
      const found = tracker.apply(bytes, at, batch)
      tracker.settle()
      if (found !== undefined) aborted.push(found)
      at += batch.sizeInBytes
    }
    from = nextOffset
  }
  const producers = [...tracker.entries()].sort((a, b) => Number(a.producerId - b.producerId))
  return { producers, firstUnstable: tracker.firstUnstableOffset(log.writtenOffset), aborted }
}
