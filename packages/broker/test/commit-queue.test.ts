import { CommitQueue } from '../src/partition/commit-queue.js'

test('releases exactly those whose offset is reached, in order', () => {
  const queue = new CommitQueue()
  const seen: number[] = []
  for (const offset of [5, 10, 7, 10, 20])
    queue.add({ offset, committed: () => void seen.push(offset) })
  queue.release(4)
  expect(seen).toEqual([])
  queue.release(10)
  expect(seen).toEqual([5, 7, 10, 10])
  expect(queue.size).toBe(1)
  queue.release(100)
  expect(seen).toEqual([5, 7, 10, 10, 20])
})

test('fails those beyond an offset and leaves the rest waiting', () => {
  const queue = new CommitQueue()
  const seen: [number, unknown][] = []
  for (const offset of [5, 10, 15])
    queue.add({ offset, committed: (failure) => void seen.push([offset, failure]) })
  queue.fail(7, new Error('lost'))
  expect(seen).toEqual([
    [10, new Error('lost')],
    [15, new Error('lost')],
  ])
  queue.release(20)
  expect(seen.at(-1)).toEqual([5, undefined])
})

test('keeps order and loses nobody over many rounds', () => {
  const queue = new CommitQueue()
  let next = 0
  let released = 0
  for (let round = 0; round < 5000; round++) {
    for (let i = 0; i < 3; i++) queue.add({ offset: ++next, committed: () => void released++ })
    queue.release(next - 1500)
  }
  queue.release(next)
  expect(released).toBe(next)
  expect(queue.size).toBe(0)
})
