// Property: compaction takes what was aborted, and nothing that was committed.
import { frameFormat, memoryFileSystem, openLogDirectory } from '../src/index'
import { TransactionFilter } from '../src/transaction-filter'
import { Producer, producerFrames } from './support/producer-frames'

/** Without a value, so that it gets a delete horizon. */
const markerOf = (id: number, control: 'abort' | 'commit') => {
  const fields = { id, epoch: 0, sequence: -1, transactional: true, control, coordinatorEpoch: 0 }
  return frameFormat.encode(null, { key: JSON.stringify(fields), timestamp: 1000 })
}

test('committed records stay, however many passes come after that which took a marker', async () => {
  const directory = await openLogDirectory('/data', {
    fileSystem: memoryFileSystem(),
    format: producerFrames,
    // Three keys a pass.
    cleaner: { intervalMs: 0, dedupeBufferBytes: 0 },
    defaults: { cleanupPolicy: 'compact', deleteRetentionMs: 0 },
  })
  const log = await directory.open('a-0')
  const producer = new Producer(1)
  const append = (frame: Uint8Array) => log.append(frame, { leaderEpoch: 0 }).lastOffset
  append(producer.data({ transactional: true }))
  append(markerOf(1, 'abort'))
  const committed: number[] = []
  for (let n = 0; n < 20; n++) committed.push(append(producer.data({ transactional: true })))
  const marker = append(markerOf(1, 'commit'))
  log.roll()
  await log.flush()
  const [report] = await directory.compact('a-0')
  expect(report!.passes).toBeGreaterThan(4)
  const { bytes } = await log.read({ from: 0, maxBytes: 1_000_000 })
  // The marker of what was aborted went with the passes after the one that took its record.
  expect(frameFormat.decode(bytes).map(({ offset }) => offset)).toEqual([...committed, marker])
  await directory.close()
})

describe('a filter whose list is older than the log', () => {
  const data = { producerId: 1n, producerEpoch: 0, transactional: true, baseSequence: 0, lastSequence: 0 } // prettier-ignore
  const abort = { ...data, control: 'abort' as const }
  const aborted = (firstOffset: number, lastOffset: number) => ({
    ...{ producerId: 1n, firstOffset, lastOffset, lastStableOffset: firstOffset },
  })

  test('what comes behind an aborted transaction is none of it', () => {
    const filter = new TransactionFilter([aborted(0, 5)])
    expect(filter.isUseless(data, 4, false)).toBe(true)
    expect(filter.isUseless(data, 6, false)).toBe(false)
  })

  test('the next aborted one is told apart', () => {
    const kept: number[] = []
    const filter = new TransactionFilter([aborted(0, 5), aborted(8, 10)], ({ firstOffset }) => {
      kept.push(firstOffset)
    })
    expect([4, 6, 9].map((offset) => filter.isUseless(data, offset, false))).toEqual(
      [true, false, true], // prettier-ignore
    )
    expect(filter.isUseless(abort, 10, false)).toBe(false)
    expect(kept).toEqual([8])
  })
})
