import assert from 'node:assert/strict'
import { CoordinationError, type CoordinationErrorCode } from '../coordination-error.js'
import type { Change, Coordination, Entry } from '../coordination.js'

/** What an adapter's test supplies, fresh and empty, for one test. */
export interface ComplianceFixture {
  /**
   * Another adapter object on the same state, as another broker has it. Closed by {@link close} if
   * the test does not.
   */
  connect(): Promise<Coordination>
  /** Lets time pass: virtual, or real. */
  pass(durationMs: number): Promise<void>
  /**
   * Cuts one adapter of {@link connect} off from the state: it can neither send nor hear. The
   * result heals the cut.
   */
  cutOff(coordination: Coordination): Promise<() => Promise<void>>
  /** Durable adapters: closes all, and opens the same state in a new process's place. */
  reopen?(): Promise<Coordination>
  /** Remote adapters. */
  readonly server?: ServerFaults
  close(): Promise<void>
}

/** What can happen to a server under an adapter. */
export interface ServerFaults {
  /** Bound of every call of the adapters, ms. */
  readonly callTimeoutMs: number
  /** Stops and starts the server, with its state. */
  restart(): Promise<void>
  /** Deletes everything (FLUSHALL). */
  empty(): Promise<void>
  /** Remembers the state; the result puts the server back to it. */
  remember(): Promise<() => Promise<void>>
  /** The server stops answering but keeps its connections (SIGSTOP); the result wakes it. */
  freeze(): Promise<() => Promise<void>>
  /** The server is gone, connections are refused (SIGKILL); the result starts it with its state. */
  kill(): Promise<() => Promise<void>>
  /** Every answer comes this much later; the result ends it. */
  delay(coordination: Coordination, delayMs: number): Promise<() => Promise<void>>
}

/** The suite's surroundings: a test runner and an adapter. */
export interface ComplianceOptions {
  readonly describe: (name: string, body: () => void) => void
  readonly test: (name: string, body: () => Promise<void>) => void
  readonly factory: () => Promise<ComplianceFixture>
  readonly capabilities?: {
    /** The fixture has `reopen`: plain values, versions and epochs survive. */
    readonly durable?: boolean
    /** The fixture has `server`. */
    readonly remote?: boolean
    /** Bound that the adapters were given, so that the suite can exceed it. Default 1 MiB. */
    readonly maxValueBytes?: number
  }
  /**
   * Time to live of sessions in the tests, ms. Default 600; generous for adapters in real time on
   * slow machines.
   */
  readonly ttlMs?: number
}

/** One test with a fixture that is closed afterwards. */
export type FixtureTest = (
  name: string,
  body: (fixture: ComplianceFixture) => Promise<void>,
) => void

/** Binds the runner's `test` to the factory. */
export function fixtureTest(options: ComplianceOptions): FixtureTest {
  return (name, body) => {
    options.test(name, async () => {
      const fixture = await options.factory()
      try {
        await body(fixture)
      } finally {
        await fixture.close()
      }
    })
  }
}

/**
 * Lets time pass in small steps until `condition` holds; fails when it does not within `boundMs`.
 */
export async function eventually(
  fixture: ComplianceFixture,
  what: string,
  condition: () => boolean | Promise<boolean>,
  boundMs = 10_000,
): Promise<void> {
  for (let passedMs = 0; passedMs <= boundMs; passedMs += 20) {
    if (await condition()) return
    await fixture.pass(20)
  }
  assert.fail(`not within ${boundMs} ms: ${what}`)
}

/**
 * Asserts that `call` is refused with `code`, as the one error class and with the right
 * `retriable`.
 */
export async function refused(
  call: Promise<unknown>,
  code: CoordinationErrorCode,
): Promise<CoordinationError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof CoordinationError, `expected ${code}, got ${String(error)}`)
  assert.equal(error.code, code, error.message)
  assert.equal(error.retriable, code === 'KFK_COORDINATION_UNAVAILABLE')
  return error
}

/** A view kept by watch and list, as users of the interface are told to. */
export interface FollowedView {
  readonly entries: Map<string, Entry>
  readonly changes: Change[]
  gaps: number
  values(): Record<string, string>
  close(): void
}

/** Follows `prefix`: watch, then list; lists again after a gap, until a list succeeds. */
export async function follow(coordination: Coordination, prefix: string): Promise<FollowedView> {
  const versions = new Map<string, number>()
  const view: FollowedView = {
    entries: new Map(),
    changes: [],
    gaps: 0,
    values: () => Object.fromEntries([...view.entries].map(([key, { value }]) => [key, value])),
    close: () => watch.close(),
  }
  const take = ({ key, version, entry }: Change) => {
    if (version <= (versions.get(key) ?? 0)) return
    versions.set(key, version)
    if (entry) view.entries.set(key, entry)
    else view.entries.delete(key)
  }
  let reading: { later: Change[] } | undefined
  const read = async (): Promise<void> => {
    const mine = (reading = { later: [] })
    const listed = await coordination.list(prefix)
    if (reading !== mine) return
    reading = undefined
    versions.clear()
    view.entries.clear()
    for (const entry of listed) take({ key: entry.key, version: entry.version, entry })
    mine.later.forEach(take)
  }
  const readUntilDone = (): void => {
    read().catch((error: unknown) => {
      if (error instanceof CoordinationError && error.retriable) readUntilDone()
    })
  }
  const watch = await coordination.watch(prefix, {
    onChange(changes) {
      view.changes.push(...changes)
      if (reading) reading.later.push(...changes)
      else changes.forEach(take)
    },
    onGap() {
      view.gaps++
      readUntilDone()
    },
  })
  await read()
  return view
}
