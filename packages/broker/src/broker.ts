import { randomInt } from 'node:crypto'
import { totalmem } from 'node:os'
import { createClient } from '@kfk/client'
import type { BrokerAddress, Transport } from '@kfk/client'
import { fileCoordination, memoryCoordination } from '@kfk/coordination'
import type { Coordination } from '@kfk/coordination'
import { nodeFileSystem, openLogDirectory, ProducerTracker, StoreError } from '@kfk/log-store'
import type { FileSystem, LogDirectory } from '@kfk/log-store'
import { kafkaCodec, recordBatchFormat } from '@kfk/protocol'
import type { WireCodec } from '@kfk/protocol'
import type { BrokerConfig, BrokerServices, Clock, Logger } from './context.js'
import { ClusterMember } from './controller/cluster-member.js'
import { BrokerError } from './errors.js'
import { GroupCoordinator } from './group/group-coordinator.js'
import { handlers } from './handlers/index.js'
import { ConnectionSet } from './network/connection-set.js'
import { inProcessTransport } from './network/in-process-transport.js'
import { Listener } from './network/listener.js'
import { KeyedPurgatory } from './network/purgatory.js'
import { type BrokerOptions, type ResolvedBrokerOptions, resolveOptions } from './options.js'
import { BrokerPeers, type BrokerPeersOptions } from './network/broker-peers.js'
import { promiseEpoch } from './partition/epoch-promise.js'
import { DirectoryStorage } from './partition/directory-storage.js'
import { FetchSessionCache } from './partition/fetch-sessions.js'
import { PartitionMaintenance } from './partition/maintenance.js'
import { LogPartitionRegistry } from './partition/partition-registry.js'
import { type Broker, runAll, RunningBroker, type Step } from './running-broker.js'
import { silentLogger } from './runtime/logger.js'
import { readMetaProperties } from './runtime/meta-properties.js'
import { SystemClock } from './runtime/system-clock.js'
import { markerWriter } from './transaction/marker-writer.js'
import {
  TransactionCoordinator,
  type TransactionCoordinatorOptions,
} from './transaction/transaction-coordinator.js'

/**
 * Bound of the requests in memory unless `queued.max.request.bytes` says otherwise: a small part of
 * the machine's. More only makes requests wait longer when the disk is slower than the producers.
 */
const requestMemoryShare = 8
const requestMemoryMaxBytes = 32 * 1024 * 1024
/** Bound of the partitions in fetch sessions: at the worst some 60 MB. */
const sessionPartitionsMax = 100_000
/** How long a transaction marker may take to be committed, ms. */
const markerTimeoutMs = 5000
/** What the store tells of records that are lost or may not be kept. */
const graveReports: ReadonlySet<string> = new Set([
  'poisoned',
  'quarantined',
  'damage-known',
  'segments-missing',
  'log-missing',
])

/**
 * Starts a broker; when it resolves, clients are served.
 *
 * @throws {BrokerError} KFK_BROKER_PORT_IN_USE, _LISTEN, _INSECURE, _DATA_DIR, _INVALID_CONFIG,
 *   _CLUSTER, _UNAVAILABLE: see there. Nothing is left running or locked then.
 */
export async function createBroker(options: BrokerOptions = {}): Promise<Broker> {
  const resolved = resolveOptions(options)
  const edges: Edges = {
    clock: options.clock ?? new SystemClock(),
    logger: options.logger ?? silentLogger,
    codec: options.codec ?? kafkaCodec,
    fileSystem: options.fileSystem ?? nodeFileSystem,
  }
  // First things first.
  const cleanUp: Step[] = []
  try {
    return await start(resolved, { ...edges, given: options.coordination, cleanUp })
  } catch (error) {
    // What failed first is what matters.
    await runAll(cleanUp.reverse()).catch(() => undefined)
    throw error instanceof StoreError ? unusable(resolved.dataDir, error) : error
  }
}

/** Everything outside of the broker. */
interface Edges {
  readonly clock: Clock
  readonly logger: Logger
  readonly codec: WireCodec
  readonly fileSystem: FileSystem
}

async function start(
  options: ResolvedBrokerOptions,
  edges: Edges & { given: Coordination | undefined; cleanUp: Step[] },
): Promise<Broker> {
  const { nodeId, dataDir, config, rack } = options
  const { clock, logger, fileSystem, cleanUp } = edges
  const listener = options.listen ? await Listener.open(options.host, options.port) : undefined
  cleanUp.push(() => listener?.close())
  const directory = await openDirectory(dataDir, config, edges)
  cleanUp.push(() => directory.close())
  await readMetaProperties(fileSystem, dataDir, nodeId)
  const promise = await promiseEpoch(fileSystem, dataDir, nodeId)
  const coordination = edges.given ?? (await ownCoordination(dataDir, fileSystem))
  if (edges.given === undefined) cleanUp.push(() => coordination.close())

  const purgatory = new KeyedPurgatory(clock)
  const registry = new LogPartitionRegistry({
    ...{ nodeId, leaderEpoch: promise.leaderEpoch, directory, fileSystem, config, clock, logger },
    onAdvance: (key) => purgatory.notify(key),
  })
  const transport = inProcessTransport()
  let running: RunningBroker | undefined
  const createPeerClient = peerClients({ nodeId, transport, codec: edges.codec })
  const member = await ClusterMember.open({
    ...{ nodeId, rack, config, coordination, partitions: registry, fileSystem, dataDir, promise },
    ...{ clock, logger },
    onFatal: (error) => running?.fail(error),
    createPeerClient,
  })
  cleanUp.push(() => member.leave())
  const cluster = member.view
  const groups = new GroupCoordinator({
    ...{ nodeId, config, clock, logger, cluster, coordination },
    ...{ controller: member.controller, partitions: registry },
  })
  const shared = { nodeId, config, clock, logger, partitions: registry, groups, member }
  const transactions = coordinateTransactions({ ...shared, createPeerClient })
  registry.useCluster(cluster, (partition) => groups.onPartitionHosted(partition))
  const services: BrokerServices = {
    ...{ nodeId, clusterId: member.clusterId, config, clock, logger, cluster, purgatory, groups },
    ...{ controller: member.controller, producerIds: member.producerIds, partitions: registry },
    ...{ fetchSessions: fetchSessions(config, clock), transactions },
    storage: new DirectoryStorage({ directory, fileSystem, cluster }),
    advertised: advertise(),
  }
  const connections = new ConnectionSet({
    ...{ codec: edges.codec, handlers, services },
    memoryLimitBytes: requestMemory(config.long('queued.max.request.bytes')),
  })
  const kept = { registry, directory, fileSystem, config, clock, logger, cluster }
  const maintenance = new PartitionMaintenance(kept)
  const broker = (running = new RunningBroker({
    ...{ nodeId, clusterId: member.clusterId, transport, listener, connections, purgatory },
    ...{ groups, transactions, member, maintenance, registry, directory, logger },
    address: addressOf(options, listener),
    ownCoordination: edges.given === undefined ? coordination : undefined,
  }))
  cleanUp.push(() => broker.close())
  return broker.serve().then(() => broker)
}

function coordinateTransactions(
  parts: Pick<
    TransactionCoordinatorOptions,
    'nodeId' | 'config' | 'clock' | 'logger' | 'partitions'
  > & {
    groups: GroupCoordinator
    member: ClusterMember
    createPeerClient: BrokerPeersOptions['createClient']
  },
): TransactionCoordinator {
  const { groups, member, createPeerClient, ...rest } = parts
  const { controller, producerIds, view: cluster } = member
  const peers = new BrokerPeers({ cluster, createClient: createPeerClient })
  const writeMarker = markerWriter({
    ...{ partitions: parts.partitions, groups, timeoutMs: markerTimeoutMs },
  })
  return new TransactionCoordinator({
    ...{ ...rest, cluster, peers, controller, producerIds, writeMarker },
  })
}

async function openDirectory(
  dataDir: string,
  config: BrokerConfig,
  edges: Edges,
): Promise<LogDirectory> {
  const { clock, fileSystem, logger } = edges
  try {
    return await openLogDirectory(dataDir, {
      fileSystem,
      format: recordBatchFormat,
      clock,
      tracker: () => {
        const expirationMs = config.number('producer.id.expiration.ms')
        return new ProducerTracker(recordBatchFormat.producer, { expirationMs })
      },
      // Ours is the tick, as often as configured.
      checkpointMs: 0,
      cleaner: {
        intervalMs: config.boolean('log.cleaner.enable')
          ? config.long('log.cleaner.backoff.ms')
          : 0,
        dedupeBufferBytes: config.long('log.cleaner.dedupe.buffer.size'),
        ioBytesPerSecond: config.number('log.cleaner.io.max.bytes.per.second'),
      },
      onReport: ({ kind, message, details }) => {
        logger[graveReports.has(kind) ? 'error' : 'warn'](message, { kind, ...details })
      },
    })
  } catch (error) {
    throw unusable(dataDir, error)
  }
}

function unusable(dataDir: string, cause: unknown): BrokerError {
  const reason = cause instanceof StoreError ? cause.message : String(cause)
  const message = `Cannot open the data directory: ${reason}`
  return new BrokerError('KFK_BROKER_DATA_DIR', message, { details: { dataDir }, cause })
}

/** One broker on its own needs nobody to coordinate with but its own past. */
function ownCoordination(dataDir: string, fileSystem: FileSystem): Promise<Coordination> {
  return fileSystem === nodeFileSystem
    ? fileCoordination(dataDir)
    : Promise.resolve(memoryCoordination())
}

function fetchSessions(config: BrokerConfig, clock: Clock): FetchSessionCache {
  return new FetchSessionCache({
    nowMs: () => clock.monotonicMs(),
    newId: () => randomInt(1, 2 ** 31),
    slots: () => config.number('max.incremental.fetch.session.cache.slots'),
    partitionsMax: sessionPartitionsMax,
  })
}

/** Clients that know one broker each. */
function peerClients(options: { nodeId: number; transport: Transport; codec: WireCodec }) {
  return (address: BrokerAddress) =>
    createClient({
      brokers: [`${address.host}:${address.port}`],
      clientId: `kfk-broker-${options.nodeId}`,
      transport: options.transport,
      codec: options.codec,
      autoCreateTopics: false,
    })
}

function addressOf(options: ResolvedBrokerOptions, listener: Listener | undefined): BrokerAddress {
  const host = options.advertisedHost
  if (listener !== undefined) return { host, port: options.advertisedPort ?? listener.port }
  // No socket: a name that no other broker of this process has, and that nobody can connect to from
  // outside.
  return { host: `in-process-${++unlistened}`, port: options.advertisedPort ?? 9092 }
}

let unlistened = 0

function requestMemory(configured: number): number {
  if (configured > 0) return configured
  return Math.min(requestMemoryMaxBytes, Math.floor(totalmem() / requestMemoryShare))
}

function advertise(): BrokerServices['advertised'] {
  return handlers
    .map(({ api, versions }) => ({
      apiKey: api.key,
      minVersion: versions[0],
      maxVersion: versions[1],
    }))
    .sort((a, b) => a.apiKey - b.apiKey)
}
