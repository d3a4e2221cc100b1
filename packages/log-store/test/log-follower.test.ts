// Property: a follower gives every record once, in order, and says when it cannot.
import {
  faultyFileSystem,
  memoryFileSystem,
  openLog,
  openLogDirectory,
  openLogIn,
} from '../src/index'
import type { Durability, EmbeddedLogOptions, EmbeddedRecord } from '../src/index'
import { collect, settle, textOf } from './support/records'

const open = (options: EmbeddedLogOptions = {}) =>
  openLog('/events', { fileSystem: memoryFileSystem(), ...options })

const textOfNext = async (next: Promise<IteratorResult<EmbeddedRecord, void>>) => {
  const { value } = await next
  return value === undefined ? undefined : textOf(value)
}

test('it goes on with what comes, until the signal or the end', async () => {
  const log = await open()
  await log.append('one')
  const three = collect(log.follow(), 3)
  await log.append('two')
  await log.append(['three', 'four'])
  expect(await three).toEqual(['one', 'two', 'three'])

  const abort = new AbortController()
  const aborted = collect(log.follow({ from: 2, signal: abort.signal }))
  const closed = collect(log.follow({ from: 1 }))
  await settle()
  abort.abort()
  expect(await aborted).toEqual(['three', 'four'])
  await log.close()
  expect(await closed).toEqual(['two', 'three', 'four'])
  expect(await collect(log.follow())).toEqual([])
  expect(await collect((await open()).follow({ signal: abort.signal }))).toEqual([])
})

test('many records, many pages, nothing twice', async () => {
  await using log = await open({ segmentBytes: 20_000 })
  const wanted = Array.from({ length: 3000 }, (_, n) => `${n} ${'x'.repeat(n % 300)}`)
  const found = collect(log.follow(), wanted.length)
  for (let n = 0; n < wanted.length; n += 50) await log.append(wanted.slice(n, n + 50))
  expect(await found).toEqual(wanted)
})

test('it gives what is acknowledged, or as safe as it was asked for', async () => {
  const fileSystem = faultyFileSystem()
  await using log = await open({ fileSystem, durability: 'os' })
  const disk = log.follow({ durability: 'disk' })
  const os = log.follow()
  const next = os.next()
  await log.append('one')
  expect(await textOfNext(next)).toBe('one')
  // Whoever waits for the medium starts the sync.
  expect(await textOfNext(disk.next())).toBe('one')
  expect(log.durableOffset).toBe(1)
})

describe('records are deleted before they are reached', () => {
  test.each([undefined, 1])('throw is the default (from: %s)', async (from) => {
    await using log = await open()
    await log.append('zero')
    const records = log.follow(from === undefined ? {} : { from })
    if (from === undefined) expect(await textOfNext(records.next())).toBe('zero')
    await log.append('one')
    await log.append('two')
    await log.deleteBefore(2)
    await expect(records.next()).rejects.toMatchObject({
      code: 'KFK_STORE_OFFSET_OUT_OF_RANGE',
      details: { offset: 1, logStartOffset: 2, logEndOffset: 3 },
    })
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })

  test('skip goes on at the first that is there', async () => {
    await using log = await open()
    await log.append('zero')
    const records = log.follow({ from: 0, ifLost: 'skip' })
    await log.append('one')
    await log.append('two')
    await log.deleteBefore(2)
    expect(await textOfNext(records.next())).toBe('two')
  })
})

describe('records that were given are truncated away', () => {
  async function followed(ifLost: 'throw' | 'skip') {
    const log = await open()
    await log.append('zero')
    await log.append('one')
    const records = log.follow({ ifLost })
    await records.next()
    await records.next()
    return { log, records }
  }

  test('throw, while it waits', async () => {
    const { log, records } = await followed('throw')
    const refused = expect(records.next()).rejects.toMatchObject({
      code: 'KFK_STORE_OFFSET_OUT_OF_RANGE',
      details: { offset: 2, logStartOffset: 0, logEndOffset: 1 },
    })
    await settle()
    await log.truncateTo(1)
    await refused
    await log.close()
  })

  test('throw, although as many were appended again', async () => {
    const { log, records } = await followed('throw')
    await log.truncateTo(1)
    await log.append('new one')
    await log.append('new two')
    await expect(records.next()).rejects.toMatchObject({ details: { offset: 2, logEndOffset: 1 } })
    await log.close()
  })

  test('skip: those in their place come', async () => {
    const { log, records } = await followed('skip')
    const next = records.next()
    await settle()
    await log.truncateTo(1)
    await log.append('new one')
    expect(await textOfNext(next)).toBe('new one')
    await log.close()
  })

  test('those that were not given yet are not missed', async () => {
    const log = await open()
    await log.append('zero')
    await log.append('one')
    const records = log.follow()
    await records.next()
    await log.truncateTo(1)
    const next = records.next()
    await settle()
    await log.append('new one')
    expect(await textOfNext(next)).toBe('new one')
    await log.close()
  })
})

test('from beyond the end is lost, too', async () => {
  await using log = await open()
  await log.append('zero')
  await expect(log.follow({ from: 2 }).next()).rejects.toMatchObject({
    code: 'KFK_STORE_OFFSET_OUT_OF_RANGE',
  })
  const next = log.follow({ from: 2, ifLost: 'skip' }).next()
  await settle()
  await log.append('one')
  expect(await textOfNext(next)).toBe('one')
})

test('the disk fails: everything durable is given, then the error', async () => {
  const fileSystem = faultyFileSystem()
  const log = await open({ fileSystem })
  await log.append('safe')
  const records = log.follow()
  fileSystem.inject({ at: 1, error: 'EIO', operation: 'sync', times: 99 })
  await expect(log.append('lost')).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  expect(await textOfNext(records.next())).toBe('safe')
  await expect(records.next()).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  await log.close()
})

const takenBack = [undefined, 'disk', 'os'].flatMap((durability) => [
  { durability, error: 'ENOSPC', code: 'KFK_STORE_NO_SPACE' },
  { durability, error: 'EMFILE', code: 'KFK_STORE_IO' },
]) as { durability: Durability | undefined; error: string; code: string }[]

test.each(takenBack)(
  'an append that is taken back for $error does not end it (durability: $durability)',
  async ({ durability, error, code }) => {
    const fileSystem = faultyFileSystem()
    await using log = await open({ fileSystem })
    const next = log.follow(durability === undefined ? {} : { durability }).next()
    await settle()
    fileSystem.inject({ at: 1, error, operation: 'write', path: '.log' })
    await expect(log.append('no room')).rejects.toMatchObject({ code, retriable: true })
    await log.append('room')
    expect(await textOfNext(next)).toBe('room')
  },
)

test('the log is deleted: the iteration ends', async () => {
  await using directory = await openLogDirectory('/many', { fileSystem: memoryFileSystem() })
  const log = await openLogIn(directory, 'events-0')
  const records = collect(log.follow())
  await log.append('only')
  await settle()
  await directory.delete('events-0')
  expect(await records).toEqual(['only'])
})

test('who stops leaves nothing behind', async () => {
  await using log = await open()
  await log.append(['one', 'two'])
  const { signal } = new AbortController()
  const added = jest.spyOn(signal, 'addEventListener')
  const removed = jest.spyOn(signal, 'removeEventListener')
  expect(await collect(log.follow({ signal }), 1)).toEqual(['one'])
  expect(added).toHaveBeenCalledTimes(1)
  expect(removed).toHaveBeenCalledWith('abort', added.mock.calls[0]![1])
})

describe('it waits at the end', () => {
  test('return ends it at once', async () => {
    await using log = await open()
    await log.append('one')
    const records = log.follow()
    expect(await textOfNext(records.next())).toBe('one')
    const waiting = [records.next(), records.next()]
    await settle()
    expect(await records.return()).toEqual({ done: true, value: undefined })
    for (const next of waiting) expect(await next).toEqual({ done: true, value: undefined })
    await log.append('two')
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })

  test('throw ends it at once, too, with that error', async () => {
    await using log = await open()
    const records = log.follow()
    const waiting = records.next()
    await settle()
    const reason = new Error('enough')
    // A generator that has ended throws what it is given.
    await expect(records.throw(reason)).rejects.toBe(reason)
    expect(await waiting).toEqual({ done: true, value: undefined })
  })

  test('throw between two records, too', async () => {
    await using log = await open()
    await log.append(['one', 'two'])
    const records = log.follow()
    expect(await textOfNext(records.next())).toBe('one')
    const reason = new Error('enough')
    await expect(records.throw(reason)).rejects.toBe(reason)
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })

  test('a loop ends when another hand disposes of it', async () => {
    await using log = await open()
    const records = log.follow()
    const found = collect(records)
    await log.append('one')
    await settle()
    await records[Symbol.asyncDispose]()
    expect(await found).toEqual(['one'])
  })

  test('return before the first record is asked for', async () => {
    await using log = await open()
    await log.append('one')
    const records = log.follow()
    await records.return()
    expect(await collect(records)).toEqual([])
  })
})
