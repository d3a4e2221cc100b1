import { join } from 'node:path'
import { delay } from '@kfk/client'
import { type Coordination, CoordinationError } from '@kfk/coordination'
import { atomicWriteFile, type FileSystem } from '@kfk/log-store'
import type { Clock, Logger } from '../context.js'
import { BrokerError } from '../errors.js'
import {
  type MetaProperties,
  randomUuid,
  readMetaProperties,
  writeMetaProperties,
} from '../runtime/meta-properties.js'
import { readSmallFile } from '../runtime/small-files.js'
import { CLUSTER_KEY, type ClusterEntry, parseCluster } from './coordination-entries.js'

/**
 * Holds the id of a cluster that this broker is about to found, until the first record of the
 * metadata log is on disk.
 */
const FOUNDING_FILE = 'kfk.founding'
const RETRY_MS = 100

/** Which cluster a broker belongs to. */
export interface ClusterIdentity extends ClusterEntry {
  readonly directoryId: string
  /** This broker is the controller and has yet to write the first record. */
  readonly isFounding: boolean
}

export interface IdentityOptions {
  readonly coordination: Coordination
  readonly fileSystem: FileSystem
  readonly dataDir: string
  readonly nodeId: number
  /** What the local copy of the metadata log says; undefined when it is empty. */
  readonly recorded: ClusterEntry | undefined
  /** `controller.quorum.voters`; undefined: the first broker of the cluster. */
  readonly voter: number | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly timeoutMs: number
}

/**
 * Finds out which cluster this broker belongs to, or founds one: by compare-and-set on an absent
 * key, so that of several fresh brokers one founds and the others join. What is on this broker's
 * disk wins over coordination, which may have been emptied; the two contradicting each other is an
 * error, never repaired.
 *
 * Founding in three steps, each of which may be the last before a crash: the candidate id goes to
 * `kfk.founding`, then to coordination, then into the metadata log (by the caller, who then calls
 * `finishFounding`).
 *
 * @throws {BrokerError} KFK_BROKER_CLUSTER, KFK_BROKER_DATA_DIR, KFK_BROKER_UNAVAILABLE
 */
export async function settleIdentity(options: IdentityOptions): Promise<ClusterIdentity> {
  const { fileSystem, dataDir, nodeId, recorded } = options
  const meta = await readMetaProperties(fileSystem, dataDir, nodeId)
  if (recorded !== undefined && meta !== undefined && recorded.clusterId !== meta.clusterId) {
    throw new BrokerError(
      'KFK_BROKER_DATA_DIR',
      `${dataDir} holds metadata of cluster ${recorded.clusterId}, but meta.properties ` +
        `names cluster ${meta.clusterId}`,
    )
  }
  const known = recorded?.clusterId ?? meta?.clusterId
  const candidate = await readFounding(options)
  const { entry, isFounder } = await settleWithCoordination(options, { known, candidate })
  checkVoter(options, entry)
  const isController = entry.controllerNodeId === nodeId
  if (isController && recorded === undefined && !isFounder) throw metadataLost(options, entry)
  const settled: MetaProperties = meta ?? {
    clusterId: entry.clusterId,
    nodeId,
    directoryId: randomUuid(),
  }
  if (meta === undefined) await writeMetaProperties(fileSystem, dataDir, settled)
  return {
    clusterId: entry.clusterId,
    controllerNodeId: entry.controllerNodeId,
    directoryId: settled.directoryId,
    isFounding: isController && recorded === undefined,
  }
}

/** The first record is on disk: from here on a lost metadata log is noticed. */
export async function finishFounding(fileSystem: FileSystem, dataDir: string): Promise<void> {
  await fileSystem.remove(join(dataDir, FOUNDING_FILE))
  await fileSystem.syncDirectory(dataDir)
}

interface Known {
  readonly known: string | undefined
  readonly candidate: string | undefined
}

/**
 * Agrees with coordination on the cluster, within the time. `isFounder`: the cluster's id comes
 * from this broker's disk.
 */
async function settleWithCoordination(
  options: IdentityOptions,
  { known, candidate }: Known,
): Promise<{ entry: ClusterEntry; isFounder: boolean }> {
  const { coordination, clock, timeoutMs, recorded } = options
  const startMs = clock.monotonicMs()
  let founding = candidate
  let trouble: string | undefined
  for (;;) {
    try {
      const found = await coordination.get(CLUSTER_KEY)
      if (found !== undefined) {
        const entry = checkEntry(options, found.value, known)
        return { entry, isFounder: founding === entry.clusterId }
      }
      const wanted = recorded ?? (await foundedBy(options, founding ?? known))
      if (wanted !== undefined) {
        if (recorded === undefined) founding = wanted.clusterId
        const value = JSON.stringify(wanted)
        // The next turn reads what came of it, whoever won.
        await coordination.compareAndSet(CLUSTER_KEY, { expectedVersion: 0, value })
        continue
      }
      trouble =
        `no cluster is there yet: its controller, node ${options.voter ?? '?'}, has not ` +
        'founded it'
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error
      if (error.code === 'KFK_COORDINATION_CONFLICT') continue
      if (!error.retriable) {
        const message = `coordination (${coordination.name}) failed: ${error.message}`
        throw new BrokerError('KFK_BROKER_CLUSTER', message, { cause: error })
      }
      trouble = `coordination (${coordination.name}) does not answer: ${error.message}`
    }
    if (clock.monotonicMs() - startMs >= timeoutMs) {
      throw new BrokerError('KFK_BROKER_UNAVAILABLE', trouble)
    }
    await delay(clock, RETRY_MS)
  }
}

/** The cluster that this broker may found; undefined when that is for another to do. */
async function foundedBy(
  options: IdentityOptions,
  clusterId: string | undefined,
): Promise<ClusterEntry | undefined> {
  const { nodeId, voter } = options
  const isFresh = clusterId === undefined || (await readFounding(options)) === clusterId
  if (voter !== undefined ? voter !== nodeId : !isFresh) return undefined
  const settled = clusterId ?? randomUuid()
  await atomicWriteFile(
    options.fileSystem,
    join(options.dataDir, FOUNDING_FILE),
    Buffer.from(settled),
  )
  return { clusterId: settled, controllerNodeId: nodeId }
}

function checkEntry(
  options: IdentityOptions,
  value: string,
  known: string | undefined,
): ClusterEntry {
  const entry = parseCluster(value)
  const { coordination, dataDir, recorded } = options
  if (entry === undefined) {
    throw new BrokerError(
      'KFK_BROKER_CLUSTER',
      `coordination (${coordination.name}) holds no valid cluster under its key '${CLUSTER_KEY}'`,
    )
  }
  if (known !== undefined && known !== entry.clusterId) {
    throw new BrokerError(
      'KFK_BROKER_CLUSTER',
      `${dataDir} belongs to cluster ${known}, but coordination (${coordination.name}) ` +
        `is that of cluster ${entry.clusterId}: use another data directory, or the ` +
        `coordination of cluster ${known}`,
      { details: { known, found: entry.clusterId } },
    )
  }
  if (recorded !== undefined && recorded.controllerNodeId !== entry.controllerNodeId) {
    throw new BrokerError(
      'KFK_BROKER_CLUSTER',
      `the metadata log names node ${recorded.controllerNodeId} as controller, but ` +
        `coordination (${coordination.name}) names node ${entry.controllerNodeId}`,
    )
  }
  return entry
}

function checkVoter({ voter }: IdentityOptions, entry: ClusterEntry): void {
  if (voter === undefined || voter === entry.controllerNodeId) return
  throw new BrokerError(
    'KFK_BROKER_CLUSTER',
    `controller.quorum.voters names node ${voter}, but the metadata log of cluster ` +
      `${entry.clusterId} is kept by node ${entry.controllerNodeId}, and it cannot be ` +
      'moved yet',
  )
}

function metadataLost({ dataDir }: IdentityOptions, entry: ClusterEntry): BrokerError {
  return new BrokerError(
    'KFK_BROKER_CLUSTER',
    `this broker keeps the metadata log of cluster ${entry.clusterId}, but there is none ` +
      `in ${dataDir}: restore the data directory, or, if that cluster is given up, remove ` +
      `'${CLUSTER_KEY}' from coordination`,
    { details: { clusterId: entry.clusterId } },
  )
}

async function readFounding({
  fileSystem,
  dataDir,
}: Pick<IdentityOptions, 'fileSystem' | 'dataDir'>): Promise<string | undefined> {
  const bytes = await readSmallFile(fileSystem, join(dataDir, FOUNDING_FILE))
  return bytes === undefined ? undefined : Buffer.from(bytes).toString().trim()
}
