import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { atomicWriteFile } from '@kfk/log-store'
import type { FileSystem } from '@kfk/log-store'
import { BrokerError } from '../errors.js'
import { parseProperties, readSmallFile } from './small-files.js'

const fileName = 'meta.properties'

/** Whose data a directory holds, as Kafka writes it. */
export interface MetaProperties {
  readonly clusterId: string
  readonly nodeId: number
  readonly directoryId: string
}

/**
 * Reads `meta.properties`; undefined in a new directory.
 *
 * @throws {BrokerError} KFK_BROKER_DATA_DIR when it cannot be read as such, or belongs to another
 *   node.
 */
export async function readMetaProperties(
  fileSystem: FileSystem,
  directory: string,
  nodeId: number,
): Promise<MetaProperties | undefined> {
  const path = join(directory, fileName)
  const bytes = await readSmallFile(fileSystem, path)
  if (bytes === undefined) return undefined
  const properties = parseProperties(bytes)
  const clusterId = properties.get('cluster.id')
  const found = Number(properties.get('node.id') ?? properties.get('broker.id'))
  if (clusterId === undefined || clusterId === '' || !Number.isSafeInteger(found)) {
    throw new BrokerError('KFK_BROKER_DATA_DIR', `${path} names no cluster.id and node.id`, {
      details: { path },
    })
  }
  if (found !== nodeId) {
    throw new BrokerError(
      'KFK_BROKER_DATA_DIR',
      `${directory} belongs to node ${found}, not to node ${nodeId}: ` +
        `give each broker a data directory of its own, or start with node id ${found}`,
      { details: { path, nodeId, found } },
    )
  }
  return { clusterId, nodeId, directoryId: properties.get('directory.id') ?? randomUuid() }
}

/** Writes `meta.properties`. Durable when it resolves. */
export async function writeMetaProperties(
  fileSystem: FileSystem,
  directory: string,
  properties: MetaProperties,
): Promise<void> {
  const { clusterId, nodeId, directoryId } = properties
  const lines = [
    `cluster.id=${clusterId}`,
    `directory.id=${directoryId}`,
    `node.id=${nodeId}`,
    'version=1',
  ]
  const text = `#\n${lines.join('\n')}\n`
  await atomicWriteFile(fileSystem, join(directory, fileName), Buffer.from(text))
}

/**
 * A random UUID in Kafka's 22 characters; never one that begins with a dash, which command lines
 * take for an option.
 */
export function randomUuid(): string {
  for (;;) {
    const text = randomBytes(16).toString('base64url')
    if (!text.startsWith('-')) return text
  }
}
