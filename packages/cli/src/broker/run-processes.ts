import { access, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileCoordination, serveCoordination } from '@kfk/coordination'
import type { CommandContext } from '../context.js'
import { exitCodes, failure, usageError } from '../errors.js'
import { StderrLogger } from '../stderr-logger.js'
import { BrokerProcess } from './broker-process.js'
import type { BrokerCommandOptions } from './run-broker.js'
import { configSources, defaultDataDir, defaultPort, readServerConfig } from './server-config.js'
import { Supervisor, type BrokerPlan } from './supervisor.js'

/** What the brokers have in common, and where each begins to differ. */
interface Cluster {
  readonly plans: readonly BrokerPlan[]
  readonly dataDir: string
  readonly advertisedPort: number | undefined
}

const maxPort = 65_535
const maxNodeId = 1023

/**
 * Runs `--processes` brokers as processes of their own, as one cluster, until this one is told to
 * stop. They find each other through this process, or through Redis; the logs of each are in a
 * directory of its own.
 */
export async function runProcesses(
  options: BrokerCommandOptions,
  context: CommandContext,
): Promise<number> {
  const cluster = await layOut(options)
  const { program } = context.io
  if (program === undefined) throw usageError('--processes needs `kfk` to run as a command')
  const logger = new StderrLogger(context.io.stderr, options.logLevel)
  await checkDataDir(cluster, logger)
  const shared =
    options.coordination === 'file' ? await fileCoordination(cluster.dataDir) : undefined
  try {
    const supervisor = new Supervisor({
      plans: cluster.plans,
      logger,
      launch(plan) {
        const broker = new BrokerProcess(program, argsOf(plan, cluster, options), context.io)
        if (shared !== undefined) serveCoordination(shared, broker.channel)
        return broker
      },
    })
    await supervise(supervisor, cluster, context)
  } finally {
    await shared?.close()
  }
  return exitCodes.ok
}

async function supervise(
  supervisor: Supervisor,
  cluster: Cluster,
  context: CommandContext,
): Promise<void> {
  const stopped = stopSignal(context.io.signal)
  try {
    const serving = await Promise.race([supervisor.start(), supervisor.givenUp, stopped])
    if (serving !== undefined) {
      const addresses = serving.map(({ advertised }) => advertised).join(',')
      const nodes = cluster.plans.map(({ nodeId }) => nodeId).join(', ')
      const facts = `${serving.length} brokers, nodes ${nodes} of cluster ${serving[0]!.clusterId}`
      const where = `data in ${cluster.dataDir}`
      await context.out
        .line(`listening on ${addresses} (${facts}, ${where})`)
        .catch(() => undefined)
      await Promise.race([supervisor.givenUp, stopped])
    }
  } catch (error) {
    // Why it was given up is what matters.
    await supervisor.stop().catch(() => undefined)
    throw error
  }
  await supervisor.stop().catch((error: unknown) => {
    // Told to stop, the exit code would be that of an interruption.
    context.note(`kfk: ${(error as Error).message}`)
    throw error
  })
}

/** Ports and node ids count up from those of the first. */
async function layOut(options: BrokerCommandOptions): Promise<Cluster> {
  const count = options.processes!
  const settings = await readServerConfig(configSources(options))
  if (options.coordination === 'memory') {
    throw usageError('--processes takes --coordination file (the default) or redis://...')
  }
  const { config, advertisedPort, port = defaultPort } = settings
  const nodeId = settings.nodeId ?? Number(config['node.id'] ?? 1)
  const dataDir = settings.dataDir ?? config['log.dirs'] ?? defaultDataDir
  const lastPort = Math.max(port, advertisedPort ?? 0) + count - 1
  if (lastPort > maxPort) throw usageError(`the last of ${count} ports would be ${lastPort}`)
  if (nodeId + count - 1 > maxNodeId) {
    throw usageError(`the last of ${count} node ids would be ${nodeId + count - 1}, not 0 to 1023`)
  }
  const plans = Array.from({ length: count }, (_, index) => ({
    nodeId: nodeId + index,
    port: port === 0 ? 0 : port + index,
  }))
  return { plans, dataDir, advertisedPort }
}

/** Not with a dash: that is how partitions are named. */
function directoryOf(dataDir: string, nodeId: number): string {
  return join(dataDir, `node${nodeId}`)
}

async function checkDataDir({ dataDir, plans }: Cluster, logger: StderrLogger): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true })
  } catch (cause) {
    throw failure(`cannot use the data directory ${dataDir}`, { cause })
  }
  const isSingle = await access(join(dataDir, 'meta.properties')).then(
    () => true,
    () => false,
  )
  if (isSingle) {
    throw usageError(
      `${dataDir} holds the data of one broker`,
      'give the processes another --data-dir, or run it without --processes',
    )
  }
  const run = new Set(plans.map(({ nodeId }) => `node${nodeId}`))
  const left = (await readdir(dataDir)).filter((name) => /^node\d+$/.test(name) && !run.has(name))
  if (left.length > 0) {
    logger.warn('there is data of brokers that are not run: their partitions are away', {
      dataDir,
      directories: left.join(', '),
    })
  }
}

function argsOf(plan: BrokerPlan, cluster: Cluster, options: BrokerCommandOptions): string[] {
  const { nodeId, port } = plan
  const { plans, dataDir, advertisedPort } = cluster
  const flags: Record<string, string | number | undefined> = {
    'node-id': nodeId,
    port,
    'data-dir': directoryOf(dataDir, nodeId),
    'advertised-port':
      advertisedPort === undefined ? undefined : advertisedPort + nodeId - plans[0]!.nodeId,
    host: options.host,
    'advertised-host': options.advertisedHost,
    rack: options.rack,
    config: options.config,
    durability: options.durability,
    coordination: options.coordination,
    cluster: options.cluster,
    'log-level': options.logLevel,
  }
  const given = Object.entries(flags).filter(([, value]) => value !== undefined)
  return [
    ...['broker', '--supervised'],
    ...given.map(([name, value]) => `--${name}=${value}`),
    ...Object.entries(options.set ?? {}).map(([name, value]) => `--set=${name}=${value}`),
    ...(options.allowInsecure === true ? ['--allow-insecure'] : []),
  ]
}

function stopSignal(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}
