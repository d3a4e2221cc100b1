import { Writable } from 'node:stream'
import type { BrokerProcess, Ending } from '../src/broker/broker-process'
import type { Listening } from '../src/broker/supervision'
import { Supervisor, type BrokerPlan } from '../src/broker/supervisor'
import { StderrLogger } from '../src/stderr-logger'

/** A process as the supervisor sees it, which does what the test says. */
class Scripted {
  readonly pid = 7
  serve!: () => void
  end!: (ending: Ending) => void
  stops = 0
  kills = 0
  readonly listening: Promise<Listening>
  readonly ended: Promise<Ending>

  constructor(readonly plan: BrokerPlan) {
    this.listening = new Promise((resolve) => {
      this.serve = () => {
        const port = plan.port === 0 ? 40_000 + plan.nodeId : plan.port
        resolve({ kfk: 'listening', port, advertised: `h:${port}`, clusterId: 'c' })
      }
    })
    this.ended = new Promise((resolve) => (this.end = resolve))
  }

  stop(): void {
    this.stops += 1
  }

  kill(): void {
    this.kills += 1
    this.end({ code: null, signal: 'SIGKILL' })
  }
}

const died = { code: null, signal: 'SIGKILL' }

function supervise(nodes: number, { port = 9092, backoffMs = 1 } = {}) {
  const launched: Scripted[] = []
  const heard: (() => void)[] = []
  let log = ''
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString()
      done()
    },
  })
  const supervisor = new Supervisor({
    plans: Array.from({ length: nodes }, (_, index) => ({
      nodeId: 1 + index,
      port: port === 0 ? 0 : port + index,
    })),
    logger: new StderrLogger(stderr, 'info'),
    launch(plan) {
      const scripted = new Scripted(plan)
      launched.push(scripted)
      heard.splice(0).forEach((wake) => wake())
      return scripted as unknown as BrokerProcess
    },
    times: { firstBackoffMs: backoffMs, lastBackoffMs: 4 * backoffMs, stopMs: 20, soundMs: 50_000 },
  })
  /** The nth that was started. */
  const started = async (index: number): Promise<Scripted> => {
    while (launched.length <= index) await new Promise<void>((resolve) => heard.push(resolve))
    return launched[index]!
  }
  return { supervisor, launched, started, log: () => log }
}

test('the first serves before the others start', async () => {
  const { supervisor, launched, started } = supervise(3)
  const serving = supervisor.start()
  expect(launched).toHaveLength(1)
  launched[0]!.serve()
  for (const index of [1, 2]) (await started(index)).serve()
  expect((await serving).map(({ port }) => port)).toEqual([9092, 9093, 9094])
})

test('who dies is started again, at the port that clients know', async () => {
  const { supervisor, started, log } = supervise(1, { port: 0 })
  const serving = supervisor.start()
  ;(await started(0)).serve()
  await serving
  ;(await started(0)).end(died)
  const again = await started(1)
  expect(again.plan).toEqual({ nodeId: 1, port: 40_001 })
  expect(log()).toMatch(/ERROR node 1 has ended \(SIGKILL\), it starts again in 0\.001 s/)
})

test('who dies again and again is given up, later each time', async () => {
  const { supervisor, started, launched, log } = supervise(1)
  const serving = supervisor.start()
  ;(await started(0)).serve()
  await serving
  for (let index = 0; index < 6; index++) {
    const broker = await started(index)
    // Serving for a moment is no soundness.
    if (index % 2 === 0) broker.serve()
    await Promise.resolve()
    broker.end({ code: 1, signal: null })
  }
  await expect(supervisor.givenUp).rejects.toThrow(
    'node 1 has ended 6 times, last with exit code 1: given up',
  )
  expect(launched).toHaveLength(6)
  const waits = [...log().matchAll(/again in (\S+) s/g)].map(([, text]) => text)
  expect(waits).toEqual(['0.001', '0.002', '0.004', '0.004', '0.004'])
})

test.each([
  [1, 'KFK_CLI_FAILED'],
  [2, 'KFK_CLI_USAGE'],
])('who cannot start the first time, with code %i, is not tried again', async (code, expected) => {
  const { supervisor, started, launched } = supervise(2)
  void supervisor.start()
  ;(await started(0)).serve()
  ;(await started(1)).end({ code, signal: null })
  await expect(supervisor.givenUp).rejects.toMatchObject({
    code: expected,
    message: `node 2 could not start (exit code ${code}): see above`,
  })
  expect(launched).toHaveLength(2)
})

test('a stop asks all, ends who does not hear, says so, and starts nobody', async () => {
  const { supervisor, started, launched, log } = supervise(2)
  const serving = supervisor.start()
  ;(await started(0)).serve()
  ;(await started(1)).serve()
  await serving
  const stopped = supervisor.stop()
  expect(launched.map(({ stops }) => stops)).toEqual([1, 1])
  launched[0]!.end({ code: 0, signal: null })
  await expect(stopped).rejects.toThrow('not stopped in good order: node 2 (SIGKILL)')
  expect(launched.map(({ kills }) => kills)).toEqual([0, 1])
  await new Promise((resolve) => setImmediate(resolve))
  expect(launched).toHaveLength(2)
  expect(log()).not.toContain('ended')
})

test('a stop while one waits for its restart ends that wait', async () => {
  const { supervisor, started, launched, log } = supervise(1, { backoffMs: 60_000 })
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const serving = supervisor.start()
  ;(await started(0)).serve()
  await serving
  launched[0]!.end(died)
  while (timers() === before) await new Promise((resolve) => setImmediate(resolve))
  expect(log()).toContain('it starts again in 60 s')
  await supervisor.stop()
  await new Promise((resolve) => setImmediate(resolve))
  expect(timers()).toBe(before)
  expect(launched).toHaveLength(1)
})
