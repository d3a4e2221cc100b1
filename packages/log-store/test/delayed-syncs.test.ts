// Property: a sync that cannot even begin is tried every 100 ms; after a second those who wait are told
// the truth, which is that their records stay.
import { faultyFileSystem, openLog, StoreError } from '../src/index'
import type { EmbeddedLogOptions, FaultyFileSystem } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { collect, settle } from './support/records'

/** Notes which timers keep the process alive. */
class NotingClock extends ManualClock {
  readonly keepsAlive: boolean[] = []

  override setTimer(
    delayMs: number,
    callback: () => void,
    options?: { readonly keepsAlive?: boolean },
  ): { cancel(): void } {
    if (delayMs === 100) this.keepsAlive.push(options?.keepsAlive === true)
    return super.setTimer(delayMs, callback)
  }
}

let fileSystem: FaultyFileSystem
let clock: NotingClock

beforeEach(() => {
  fileSystem = faultyFileSystem()
  clock = new NotingClock()
})

const delayed = 'KFK_STORE_DELAYED'
const large = 'x'.repeat(300)

function open(options: EmbeddedLogOptions = {}) {
  return openLog('/data', { fileSystem, clock, segmentBytes: 500, ...options })
}

/** The names of new segments are not synced from now on. */
function takeHandles(): void {
  fileSystem.inject({
    ...{ operation: 'syncDirectory', path: 'log-0', error: 'EMFILE' },
    ...{ at: 1, times: Number.MAX_SAFE_INTEGER },
  } as const)
}

/** The next so many syncs of names fail, after something else was done. */
function failNames(times: number, before: (left: number) => unknown): void {
  const syncDirectory = fileSystem.syncDirectory.bind(fileSystem)
  let left = times
  fileSystem.syncDirectory = async (path) => {
    if (left === 0 || !path.endsWith('log-0')) return syncDirectory(path)
    await before(--left)
    throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  }
}

async function pass(ms: number): Promise<void> {
  await settle(8)
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100)
    await settle(8)
  }
}

const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

test('an append whose record stays does not say that it was taken back', async () => {
  const log = await open()
  await log.append(large)
  takeHandles()
  const one = outcome(log.append(large))
  const many = outcome(log.append(['a', 'b']))
  const flushed = outcome(log.flush())
  await pass(1_000)
  const details = { errno: 'EMFILE' }
  expect(await one).toMatchObject({
    ...{ code: delayed, retriable: false },
    details: { ...details, firstOffset: 1, lastOffset: 1 },
  })
  expect(await many).toMatchObject({
    ...{ code: delayed, retriable: false },
    details: { ...details, firstOffset: 2, lastOffset: 3 },
  })
  expect(await flushed).toMatchObject({ code: delayed, retriable: true, details })
  expect([log.endOffset, log.durableOffset]).toEqual([4, 1])
  fileSystem.clearFaults()
  const waitedAgain = log.flush()
  await pass(100)
  await waitedAgain
  expect(log.durableOffset).toBe(4)
  expect(await collect(log.records())).toEqual([large, large, 'a', 'b'])
  await log.close()
})

test('a record that is queued while others are told of a delay is not said to stay', async () => {
  const log = await open()
  await log.append(large)
  let queued: Promise<unknown> | undefined
  failNames(10, (left) => {
    if (left > 0) return
    fileSystem.inject({ at: 1, operation: 'write', path: '.log', error: 'ENOSPC' })
    queued = outcome(log.append('queued'))
  })
  const written = outcome(log.append(large))
  await pass(900)
  expect(await written).toMatchObject({ code: delayed })
  expect(await queued).toMatchObject({ code: 'KFK_STORE_NO_SPACE', retriable: true })
  expect(log.endOffset).toBe(2)
  await pass(100)
  await log.close()
})

test('it is tried again after 100 ms although flushMs is long and something was appended meanwhile', async () => {
  const log = await open({ durability: { records: 1000, ms: 20_000 } })
  await log.append(large)
  await log.flush()
  failNames(1, () => log.append('during', { durability: 'os' }))
  await log.append(large)
  let flushed = false
  const flushing = log.flush().then(() => {
    flushed = true
  })
  await settle(8)
  expect(flushed).toBe(false)
  await pass(100)
  expect(flushed).toBe(true)
  await flushing
  await log.close()
})

test('appends meanwhile neither try it sooner nor have those who wait told sooner', async () => {
  const log = await open()
  await log.append(large)
  let told = 0
  const note = () => {
    told++
  }
  let tries = 0
  // Written while the first try is under way, which asks for another.
  failNames(10, () => tries++ === 0 && log.append('during', { durability: 'os' }))
  log.append(large).catch(note)
  await settle(8)
  for (let n = 0; n < 20; n++) {
    log.append('small').catch(note)
    await settle(2)
  }
  expect([tries, told]).toEqual([1, 0])
  await pass(1_000)
  expect([tries, told]).toEqual([10, 21])
  await pass(100)
  await log.close()
})

test('whoever follows what is on the medium sits a delay out', async () => {
  const log = await open()
  await log.append(large)
  const following = collect(log.follow({ from: 1, durability: 'disk' }), 1)
  takeHandles()
  const told = outcome(log.append(large))
  await pass(2_000)
  expect(await told).toBeInstanceOf(StoreError)
  fileSystem.clearFaults()
  await pass(100)
  expect(await following).toEqual([large])
  await log.close()
})

test('the process is kept alive as long as somebody waits for the next try', async () => {
  const log = await open({ durability: 'os' })
  await log.append(large)
  await log.flush()
  takeHandles()
  await log.append(large)
  await pass(200)
  expect(clock.keepsAlive).toEqual([false, false, false])
  const flushed = outcome(log.flush())
  const durable = outcome(log.append('small', { durability: 'disk' }))
  await settle(8)
  expect(clock.keepsAlive).toEqual([false, false, false, true])
  await pass(700)
  expect(clock.keepsAlive.slice(4)).toEqual([true, true, true, true, true, true, false])
  expect([await flushed, await durable]).toMatchObject([{ code: delayed }, { code: delayed }])
  fileSystem.clearFaults()
  await pass(100)
  await log.close()
})

test('so it is by an append that waits for its acknowledgement', async () => {
  const log = await open()
  await log.append(large)
  takeHandles()
  const told = outcome(log.append(large))
  await pass(900)
  expect(await told).toMatchObject({ code: delayed })
  expect(clock.keepsAlive).toEqual([...Array<boolean>(9).fill(true), false])
  const second = outcome(log.append('small'))
  await settle(8)
  expect(clock.keepsAlive.at(-1)).toBe(true)
  fileSystem.clearFaults()
  await pass(100)
  expect(await second).toBe(2)
  await log.close()
})
