import fs from 'node:fs'
import path from 'node:path'
import { createAdmin, createClient, type Client } from '@kfk/client'
import { kafkajsRoundRobinAssignor } from '@kfk/consumer'
import type { LoadReport, Target } from '@kfk/hadoop-loader'
import { readJson, writeJson } from './atomic-json.js'
import { startCluster, type Cluster } from './cluster.js'
import { CountsBoard } from './counts-board.js'
import { CountsStore } from './counts-store.js'
import { topicNames } from './events.js'
import { ingest, type IngestResult } from './ingest.js'
import { ProgressStore } from './ingest-progress.js'
import { openInput } from './input.js'
import { KafkajsMember } from './kafkajs-member.js'
import { LiveView, thousands, type Screen } from './live-view.js'
import { loadAndKill, loadTopics, offlineTarget } from './offline.js'
import { OnlineGroup } from './online-group.js'
import { UsageError, type Options } from './options.js'
import { agrees, report } from './report.js'
import { topics } from './topics.js'
import { verifyCounts } from './verification.js'

/** No progress in counting for so long means that something is wrong. */
const stallMs = 60_000
const members = 3

export interface JobEnvironment {
  /** The program of `kfk`. */
  readonly kfk: string
  readonly screen: Screen
  /** With `--keep`: resolves when the user has looked around. */
  readonly untilStopped: () => Promise<void>
}

/** Runs the main job; true when all numbers agree. */
export async function runMainJob(options: Options, environment: JobEnvironment): Promise<boolean> {
  const job = new MainJob(options, environment)
  try {
    return await job.run()
  } finally {
    await job.close()
  }
}

class MainJob {
  readonly #options: Options
  readonly #environment: JobEnvironment
  readonly #board = new CountsBoard()
  readonly #counts: CountsStore
  readonly #view: LiveView
  readonly #to: string
  readonly #target: Target
  #cluster!: Cluster
  #client!: Client
  #group: OnlineGroup | undefined
  #kafkajs: KafkajsMember | undefined
  #disturbances: Promise<void> = Promise.resolve()
  #disturbed = false
  #onlineSeconds = 0

  constructor(options: Options, environment: JobEnvironment) {
    this.#options = options
    this.#environment = environment
    fs.mkdirSync(options.out, { recursive: true })
    this.#counts = new CountsStore(path.join(options.out, 'state', 'online'))
    this.#view = new LiveView(this.#board, environment.screen)
    ;({ to: this.#to, target: this.#target } = offlineTarget(options))
  }

  async run(): Promise<boolean> {
    const input = openInput(this.#options)
    await this.#startCluster()
    const ingested = await this.#count(async () => {
      this.#view.say(`reading  ${input.name}`)
      const store = new ProgressStore(path.join(this.#options.out, 'state', 'ingest'))
      return ingest({
        client: this.#client,
        store,
        lines: input.lines,
        onStep: () => this.#onStep(),
      })
    })
    const load = await this.#load()
    if (ingested.linesRead === 0) {
      this.#say(`empty    there are no lines in ${input.name}.`)
    } else if (ingested.newLines === 0 && load.records === 0) {
      this.#say(
        `nothing new: all ${thousands(ingested.linesRead)} lines of ${input.name} were read, counted and loaded before.`,
      )
    }
    const verdicts = await verifyCounts(this.#client, this.#counts, this.#target)
    const summary = {
      input: input.name,
      ingested,
      verdicts,
      load,
      onlineSeconds: this.#onlineSeconds,
      firstCountMs: this.#view.firstCountMs,
      leaders: await this.#leaders(),
      places: {
        log: path.join(this.#options.out, 'data'),
        counts: path.join(this.#options.out, 'state'),
        files: this.#to,
      },
    }
    for (const line of report(summary)) this.#say(line)
    if (this.#options.keep) await this.#keep()
    return agrees(summary)
  }

  async close(): Promise<void> {
    await this.#disturbances.catch(() => undefined)
    await this.#kafkajs?.close()
    await this.#group?.close().catch(() => undefined)
    await (this.#client as Client | undefined)?.close()
    await (this.#cluster as Cluster | undefined)?.close()
  }

  #say(line: string): void {
    this.#environment.screen.write(`${line}\n`)
  }

  async #startCluster(): Promise<void> {
    const { out, chaos, coordination } = this.#options
    const startedMs = performance.now()
    this.#cluster = await startCluster({ out, chaos, coordination, kfk: this.#environment.kfk })
    this.#client = createClient({ brokers: this.#cluster.brokers, clientId: 'activity-stream' })
    await this.#checkState()
    await createAdmin({ client: this.#client }).createTopics(topics, { ifNotExists: true })
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(2)
    this.#say(
      `cluster  ${this.#cluster.description}: ${this.#cluster.brokers.join(', ')} (up in ${seconds} s)`,
    )
  }

  /** Counts and progress mean something only together with the log that they were made from. */
  async #checkState(): Promise<void> {
    const { out } = this.#options
    const file = path.join(out, 'state', 'cluster.json')
    const { clusterId } = await this.#client.metadata.cluster()
    const known = readJson<string>(file)
    if (known !== undefined && known !== clusterId) {
      throw new UsageError(
        `${out}/state counts another log than the one in ${out}/data: remove ${out}, or give another --out.`,
      )
    }
    writeJson(file, clusterId)
  }

  /**
   * Counts with a group while `produce` runs, until everything that is in the log then is counted
   * and stored.
   */
  async #count(produce: () => Promise<IngestResult>): Promise<IngestResult> {
    const startedMs = performance.now()
    const { chaos } = this.#options
    this.#showWhatIsStored()
    const shared = { brokers: this.#cluster.brokers, store: this.#counts, board: this.#board }
    this.#group = new OnlineGroup({
      ...shared,
      // With a kafkajs member, all must offer what kafkajs has.
      ...(chaos && { assignors: [kafkajsRoundRobinAssignor] }),
    })
    for (let member = 0; member < members; member++) this.#group.join()
    if (chaos) {
      this.#kafkajs = new KafkajsMember(shared)
      await this.#kafkajs.start()
      this.#view.say('chaos    a stock kafkajs client has joined the group')
    }
    const failed = this.#group.failed()
    failed.catch(() => undefined)
    const ingested = await Promise.race([produce(), failed])
    if (ingested.newLines > 0) this.#disturb()
    await this.#disturbances
    await Promise.race([this.#counted(), this.#group.failed()])
    this.#onlineSeconds = (performance.now() - startedMs) / 1000
    this.#view.end()
    await this.#kafkajs?.close()
    this.#kafkajs = undefined
    await this.#group.close()
    this.#group = undefined
    return ingested
  }

  /** What earlier runs have counted counts from the start, whoever gets the partition. */
  #showWhatIsStored(): void {
    for (const topic of topicNames) {
      for (const { partition, counts } of this.#counts.all(topic)) {
        this.#board.put(topic, partition, counts)
        this.#board.stored(topic, partition, counts.nextOffset)
      }
    }
  }

  #onStep(): void {
    if (this.#board.total() > 0) this.#disturb()
  }

  /**
   * Once a run, when counting has begun: one member dies without a word, another one joins; with
   * chaos a broker dies too.
   */
  #disturb(): void {
    const group = this.#group
    if (!group || this.#disturbed) return
    this.#disturbed = true
    this.#disturbances = (async () => {
      const { killed, partitions, joined } = await group.killAndReplace()
      this.#view.say(
        `group    ${killed.name} was killed with ${partitions} partitions in hand; ${joined.name} has joined`,
      )
      if (!this.#options.chaos) return
      const startedMs = performance.now()
      await this.#cluster.killAndRestart?.()
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(2)
      this.#view.say(`chaos    a broker was killed (SIGKILL); it serves again after ${seconds} s`)
    })()
    this.#disturbances.catch(() => undefined)
  }

  async #counted(): Promise<void> {
    const ends = new Map<string, number>()
    const admin = createAdmin({ client: this.#client })
    for (const topic of topicNames) {
      for (const { partition, offset } of await admin.topicOffsets(topic, 'latest')) {
        ends.set(`${topic}/${partition}`, Number(offset))
      }
    }
    let timer: NodeJS.Timeout | undefined
    const stalled = new Promise<never>((_resolve, reject) => {
      const watch = (before: number): void => {
        timer = setTimeout(() => {
          const now = this.#board.total()
          if (now > before) watch(now)
          else
            reject(
              new Error(
                `counting stands still; behind are ${this.#board.missing(ends).join(', ')}`,
              ),
            )
        }, stallMs)
      }
      watch(this.#board.total())
    })
    try {
      await Promise.race([this.#board.storedUpTo(ends), stalled])
    } finally {
      clearTimeout(timer)
    }
  }

  async #load(): Promise<LoadReport> {
    if (this.#options.chaos) {
      const { kfk } = this.#environment
      const { brokers } = this.#cluster
      const how = await loadAndKill({ kfk, brokers, to: this.#to, target: this.#target })
      this.#say(`chaos    the loader was ${how} (SIGKILL); another one takes over`)
    }
    return loadTopics(this.#client, this.#target)
  }

  async #leaders(): Promise<Map<string, number[]>> {
    const described = await this.#client.metadata.topics(topicNames)
    return new Map(
      described.map(({ name, partitions }) => [name, partitions.map(({ leaderId }) => leaderId)]),
    )
  }

  async #keep(): Promise<void> {
    const brokers = this.#cluster.brokers.join(',')
    for (const line of [
      '',
      'The brokers stay up until Ctrl-C. To look around, in another terminal:',
      `  npx kfk topic describe --brokers ${brokers} page-views`,
      `  npx kfk consume --brokers ${brokers} --from earliest --max 5 searches`,
      `  npx kfk groups describe --brokers ${brokers} activity-counters`,
      `  kcat -b ${brokers} -C -t page-views -o beginning -c 5 -f '%p %o %k %s\\n'`,
    ]) {
      this.#say(line)
    }
    await this.#environment.untilStopped()
  }
}
