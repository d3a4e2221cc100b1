import { join } from 'node:path'
import { atomicWriteFile } from '@kfk/log-store'
import type { FileSystem } from '@kfk/log-store'
import { BrokerError } from '../errors.js'
import { parseProperties, readSmallFile } from '../runtime/small-files.js'

const fileName = 'kfk.promised-epoch'
/** Epochs are `counter * 1024 + node id`, so that no two brokers ever use the same one. */
const nodeIdBits = 1024
/** int32 holds so many. */
const counterMax = Math.floor(0x7fffffff / nodeIdBits) - 1

/** Under which epochs this broker leads, from this start on. */
export interface EpochPromise {
  /** Grows with every start. */
  readonly counter: number
  readonly leaderEpoch: number
}

/**
 * Promises an epoch that is higher than all that this broker has led under. Durable when it
 * resolves: so a tail that a crash took away can be told from one that was never written, because
 * what follows has another epoch.
 *
 * @throws {BrokerError} KFK_BROKER_DATA_DIR when the file is not readable as a promise: to guess
 *   could repeat an epoch.
 */
export async function promiseEpoch(
  fileSystem: FileSystem,
  directory: string,
  nodeId: number,
): Promise<EpochPromise> {
  const path = join(directory, fileName)
  const bytes = await readSmallFile(fileSystem, path)
  const before = bytes === undefined ? 0 : Number(parseProperties(bytes).get('counter'))
  if (!Number.isSafeInteger(before) || before < 0 || before >= counterMax) {
    throw new BrokerError('KFK_BROKER_DATA_DIR', `${path} does not hold a promised epoch`, {
      details: { path },
    })
  }
  const counter = before + 1
  const text = `version=0\ncounter=${counter}\n`
  await atomicWriteFile(fileSystem, path, Buffer.from(text))
  return { counter, leaderEpoch: counter * nodeIdBits + nodeId }
}
