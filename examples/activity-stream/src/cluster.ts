import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { createBroker, type Broker } from '@kfk/broker'
import { memoryCoordination } from '@kfk/coordination'
import { readJson, writeJson } from './atomic-json.js'
import { BrokerProcess, freePort } from './broker-process.js'

/** Short sessions, so that a dead member is noticed while one watches. */
const config = { 'group.min.session.timeout.ms': '1000' }

/** The brokers of this run. */
export interface Cluster {
  readonly description: string
  /** `host:port` of each broker. */
  readonly brokers: readonly string[]
  /** Kills a broker (SIGKILL) and starts it again; only of broker processes. */
  killAndRestart?(): Promise<void>
  close(): Promise<void>
}

export interface ClusterOptions {
  readonly out: string
  readonly chaos: boolean
  readonly coordination: string | undefined
  /** The program of `kfk`. */
  readonly kfk: string
}

export function startCluster(options: ClusterOptions): Promise<Cluster> {
  return options.chaos || options.coordination !== undefined
    ? startProcesses(options)
    : startEmbedded(path.join(options.out, 'data'))
}

/** Three brokers in this process that find each other through one in-memory coordination. */
async function startEmbedded(dir: string): Promise<Cluster> {
  const coordination = memoryCoordination()
  const brokers: Broker[] = []
  const close = async (): Promise<void> => {
    for (const broker of [...brokers].reverse()) await broker.close()
    await coordination.close()
  }
  try {
    for (const nodeId of [1, 2, 3]) {
      const dataDir = path.join(dir, `broker-${nodeId}`)
      brokers.push(
        await createBroker({
          nodeId,
          dataDir,
          port: 0,
          coordination: coordination.connect(),
          config,
        }),
      )
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    description: '3 brokers in this process, coordination in memory',
    brokers: brokers.flatMap((broker) => broker.brokers),
    close,
  }
}

/** One broker process with its coordination in a file, or three over Redis. */
async function startProcesses({ out, coordination, kfk }: ClusterOptions): Promise<Cluster> {
  const count = coordination === undefined ? 1 : 3
  const clusterName = coordination === undefined ? undefined : nameOfCluster(out)
  const processes: BrokerProcess[] = []
  for (let nodeId = 1; nodeId <= count; nodeId++) {
    const dataDir = path.join(out, 'data', `broker-${nodeId}`)
    const port = await freePort()
    processes.push(
      new BrokerProcess({ kfk, nodeId, dataDir, port, coordination, clusterName, config }),
    )
  }
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.stop()))
  }
  try {
    for (const each of processes) await each.start()
  } catch (error) {
    await close()
    throw error
  }
  const where =
    coordination === undefined ? 'coordination in a file' : `coordination in ${coordination}`
  // Not the first: it is the controller, and its absence is the subject of other tests.
  const victim = processes.at(-1)!
  return {
    description: `${count} broker process${count > 1 ? 'es' : ''}, ${where}`,
    brokers: processes.map(({ address }) => address),
    killAndRestart: async () => {
      await victim.kill()
      await victim.start()
    },
    close,
  }
}

/** Every data directory is a cluster of its own, so that several of them can use one Redis. */
function nameOfCluster(out: string): string {
  const file = path.join(out, 'data', 'cluster-name.json')
  const name = readJson<string>(file) ?? `activity-stream-${randomUUID().slice(0, 8)}`
  writeJson(file, name)
  return name
}
