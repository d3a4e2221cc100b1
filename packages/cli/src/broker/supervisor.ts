import { setTimeout as sleep } from 'node:timers/promises'
import { CliError, failure } from '../errors.js'
import type { StderrLogger } from '../stderr-logger.js'
import { endingText, type BrokerProcess } from './broker-process.js'
import type { Listening } from './supervision.js'

/** One broker to be kept running. */
export interface BrokerPlan {
  readonly nodeId: number
  /** 0: the kernel chooses, once; a broker that starts again keeps what clients know. */
  readonly port: number
}

export interface SupervisorOptions {
  readonly plans: readonly BrokerPlan[]
  readonly launch: (plan: BrokerPlan) => BrokerProcess
  readonly logger: StderrLogger
  /** Default: see {@link defaultTimes}. */
  readonly times?: Partial<typeof defaultTimes>
}

/** Milliseconds. */
const defaultTimes = {
  /** Before the first restart of a broker; doubled by each further one, up to the last. */
  firstBackoffMs: 500,
  lastBackoffMs: 30_000,
  /** Who has served that long begins anew with failures. */
  soundMs: 60_000,
  /** For an end in good order; then it is ended at once. */
  stopMs: 30_000,
}

/** Restarts without a minute of service between them, before all is given up. */
const MAX_RESTARTS = 5

/**
 * Keeps brokers running: starts them, starts again who died, and gives up when one cannot start or
 * dies again and again.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #times: typeof defaultTimes
  readonly #running = new Map<number, BrokerProcess>()
  readonly #stopping = new AbortController()
  #fail!: (error: CliError) => void
  /** Rejects when the brokers are given up; they are to be stopped then. */
  readonly givenUp: Promise<never>

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#times = { ...defaultTimes, ...options.times }
    this.givenUp = new Promise((_resolve, reject) => (this.#fail = reject))
    this.givenUp.catch(() => undefined)
  }

  /**
   * Resolves when all serve. The first goes first: it founds the cluster, and the others ask it for
   * what the cluster is.
   */
  async start(): Promise<Listening[]> {
    const [first, ...others] = this.#options.plans
    const founded = await this.#keepRunning(first!)
    return [founded, ...(await Promise.all(others.map((plan) => this.#keepRunning(plan))))]
  }

  /**
   * Ends all in good order, or at once when that takes too long.
   * @throws CliError when one did not end in good order
   */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const late = new AbortController()
    const bound = sleep(this.#times.stopMs, undefined, { signal: late.signal }).then(
      () => true,
      () => false,
    )
    const ends = [...this.#running].map(async ([nodeId, broker]) => {
      broker.stop()
      const inTime = await Promise.race([broker.ended, bound])
      if (inTime === true) broker.kill()
      const ending = await broker.ended
      return ending.code === 0 ? undefined : `node ${nodeId} (${endingText(ending)})`
    })
    const bad = (await Promise.all(ends)).filter((each) => each !== undefined)
    late.abort()
    if (bad.length > 0) throw failure(`not stopped in good order: ${bad.join(', ')}`)
  }

  /** Resolves when it serves for the first time; goes on until the stop. */
  #keepRunning(plan: BrokerPlan): Promise<Listening> {
    return new Promise((resolve) => {
      this.#serveAndRestart(plan, resolve).catch((error: unknown) => this.#fail(error as CliError))
    })
  }

  async #serveAndRestart(plan: BrokerPlan, onFirst: (told: Listening) => void): Promise<void> {
    const { logger } = this.#options
    let { port } = plan
    let restarts = 0
    for (let isFirst = true; ; isFirst = false) {
      const broker = this.#options.launch({ ...plan, port })
      this.#running.set(plan.nodeId, broker)
      logger.info(`node ${plan.nodeId} starts`, { pid: broker.pid })
      const told = await Promise.race([broker.listening, broker.ended.then(() => undefined)])
      const sinceMs = performance.now()
      if (told !== undefined) {
        port = told.port
        if (isFirst) onFirst(told)
        else logger.info(`node ${plan.nodeId} serves again`, { address: told.advertised })
      }
      const ending = await broker.ended
      this.#running.delete(plan.nodeId)
      if (this.#stopping.signal.aborted) return
      if (isFirst && told === undefined) throw cannotStart(plan, ending.code, endingText(ending))
      if (told !== undefined && performance.now() - sinceMs >= this.#times.soundMs) restarts = 0
      restarts += 1
      if (restarts > MAX_RESTARTS) throw diesAgain(plan, endingText(ending))
      const { firstBackoffMs, lastBackoffMs } = this.#times
      const inMs = Math.min(lastBackoffMs, firstBackoffMs * 2 ** (restarts - 1))
      const what = `node ${plan.nodeId} has ended (${endingText(ending)})`
      logger.error(`${what}, it starts again in ${inMs / 1000} s`, { restarts })
      const { signal } = this.#stopping
      await sleep(inMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
    }
  }
}

/** Its own message was on standard error. */
function cannotStart(plan: BrokerPlan, code: number | null, ending: string): CliError {
  const usage = code === 2
  const message = `node ${plan.nodeId} could not start (${ending}): see above`
  return new CliError(usage ? 'KFK_CLI_USAGE' : 'KFK_CLI_FAILED', message)
}

function diesAgain(plan: BrokerPlan, ending: string): CliError {
  return failure(
    `node ${plan.nodeId} has ended ${MAX_RESTARTS + 1} times, last with ${ending}: given up`,
    { hint: 'what it said is above; all brokers were stopped, no acknowledged record is lost' },
  )
}
