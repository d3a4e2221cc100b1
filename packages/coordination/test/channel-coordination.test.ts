import { EventEmitter } from 'node:events'
import {
  channelCoordination,
  ipcChannel,
  memoryCoordination,
  serveCoordination,
  type Channel,
  type Coordination,
} from '@kfk/coordination'
import { coordinationCompliance } from '@kfk/coordination/compliance'
import { VirtualClock } from './virtual-clock.js'

/** Two ends of a channel in one process; what JSON does to messages happens here too. */
class Line {
  readonly near = new End(this)
  readonly far = new End(this)
  stalled: (() => void)[] | undefined

  constructor() {
    this.near.peer = this.far
    this.far.peer = this.near
  }

  deliver(step: () => void): void {
    if (this.stalled) this.stalled.push(step)
    else queueMicrotask(step)
  }

  /** The other process is stopped: messages wait. */
  stall(): void {
    this.stalled = []
  }

  flow(): void {
    const waiting = this.stalled ?? []
    this.stalled = undefined
    for (const step of waiting) step()
  }

  end(): void {
    for (const each of [this.near, this.far]) each.finish()
  }
}

class End implements Channel {
  peer!: End
  #listeners: ((message: unknown) => void)[] = []
  #onEnd: (() => void)[] = []
  #ended = false

  constructor(readonly line: Line) {}

  send(message: object): void {
    const text = JSON.stringify(message)
    this.line.deliver(() => this.peer.receive(text))
  }

  receive(text: string): void {
    if (this.#ended) return
    for (const listener of this.#listeners) listener(JSON.parse(text))
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#listeners.push(listener)
  }

  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }

  finish(): void {
    this.#ended = true
    for (const listener of this.#onEnd.splice(0)) listener()
  }
}

coordinationCompliance({
  describe,
  test,
  factory: async () => {
    const clock = new VirtualClock()
    const center = memoryCoordination({ clock })
    const all = new Map<Coordination, Line>()
    return {
      async connect() {
        const line = new Line()
        serveCoordination(center, line.near)
        const next = channelCoordination(line.far, { clock, callTimeoutMs: 200 })
        all.set(next, line)
        return next
      },
      pass: (durationMs) => clock.pass(durationMs),
      async cutOff(coordination) {
        const line = all.get(coordination)!
        line.stall()
        return async () => line.flow()
      },
      async close() {
        for (const line of all.values()) line.flow()
        await Promise.all([...all.keys()].map((each) => each.close()))
        await center.close()
        await clock.pass(0)
        expect(clock.pending).toBe(0)
      },
    }
  },
})

function pair() {
  const clock = new VirtualClock()
  const center = memoryCoordination({ clock })
  const line = new Line()
  serveCoordination(center, line.near)
  return { clock, center, line, other: channelCoordination(line.far, { clock }) }
}

test('the end of a process ends its sessions at once, and nobody else’s', async () => {
  const { center, line, other } = pair()
  await center.openSession({ key: 's/1', value: '', ttlMs: 60_000 })
  const session = await other.openSession({ key: 's/2', value: '', ttlMs: 60_000 })
  await other.acquireLease('lease', { session, value: '' })
  line.end()
  expect((await center.list('')).map(({ key }) => key)).toEqual(['s/1'])
  await center.close()
})

test('when the coordinating process has ended, calls are refused and sessions run out', async () => {
  const { clock, center, line, other } = pair()
  const lost: string[] = []
  const session = await other.openSession({
    ...{ key: 's', value: '', ttlMs: 1000 },
    onLost: ({ code }) => lost.push(code),
  })
  line.stall()
  const underway = other.get('k')
  line.end()
  await expect(underway).rejects.toMatchObject({ code: 'KFK_COORDINATION_UNAVAILABLE' })
  await expect(other.list('')).rejects.toMatchObject({ retriable: true })
  await clock.pass(999)
  expect(session.live).toBe(true)
  await clock.pass(1)
  expect({ live: session.live, lost }).toEqual({
    live: false,
    lost: ['KFK_COORDINATION_SESSION_EXPIRED'],
  })
  await Promise.all([other.close(), center.close()])
})

test('a session that is replaced before its owner has heard of it is lost at once', async () => {
  const { clock, center, line, other } = pair()
  const lost: string[] = []
  line.stall()
  const opening = other.openSession({
    ...{ key: 's', value: 'other', ttlMs: 1000 },
    onLost: ({ code }) => lost.push(code),
  })
  // Its answer comes after what happens in the same turn.
  line.flow()
  await center.openSession({ key: 's', value: 'center', ttlMs: 1000, replace: true })
  const session = await opening
  await clock.pass(0)
  expect({ live: session.live, lost }).toEqual({ live: false, lost: ['KFK_COORDINATION_FENCED'] })
  await Promise.all([other.close(), center.close()])
  expect(clock.pending).toBe(0)
})

test('the time to live counts from when the opening was sent', async () => {
  const { clock, center, line, other } = pair()
  line.stall()
  const opening = other.openSession({ key: 's', value: '', ttlMs: 1000 })
  await clock.pass(400)
  line.flow()
  const session = await opening
  line.stall()
  await clock.pass(599)
  expect(session.live).toBe(true)
  await clock.pass(1)
  expect(session.live).toBe(false)
  line.flow()
  await Promise.all([other.close(), center.close()])
})

test('a session whose opening was given up is not left behind', async () => {
  const { clock, center, line, other } = pair()
  line.stall()
  const opening = other.openSession({ key: 's', value: '', ttlMs: 60_000 })
  const refused = expect(opening).rejects.toMatchObject({ retriable: true })
  await clock.pass(3000)
  await refused
  line.flow()
  await clock.pass(0)
  expect(await center.list('')).toEqual([])
  await Promise.all([other.close(), center.close()])
})

test('messages of others on the same channel are left alone', async () => {
  const { center, line, other } = pair()
  line.far.send({ kfk: 'ready' })
  line.near.send({ id: 1, result: 'not yours' })
  expect(await other.list('')).toEqual([])
  await Promise.all([other.close(), center.close()])
})

test('a process that takes no messages is let go before they fill the memory', () => {
  const endpoint = Object.assign(new EventEmitter(), {
    connected: true,
    sent: 0,
    send() {
      endpoint.sent += 1
      return false
    },
    disconnect() {
      endpoint.connected = false
      endpoint.emit('disconnect')
    },
  })
  const channel = ipcChannel(endpoint)
  const ended = jest.fn()
  channel.onEnd(ended)
  for (let n = 0; n < 20_000; n++) channel.send({ n })
  expect(ended).toHaveBeenCalledTimes(1)
  expect(endpoint.sent).toBe(10_001)
})
