import { join } from 'node:path'
import { atomicWriteFile, ProducerTracker, StoreError } from '@kfk/log-store'
import type { FileSystem, Log } from '@kfk/log-store'
import { BrokerError } from '../errors.js'
import { parseProperties, readSmallFile } from '../runtime/small-files.js'

const metadataName = 'partition.metadata'

/** The topic id in Kafka's `partition.metadata`; undefined when the partition has none yet. */
export async function readTopicId(
  fileSystem: FileSystem,
  directory: string,
): Promise<string | undefined> {
  const bytes = await readSmallFile(fileSystem, join(directory, metadataName))
  if (bytes === undefined) return undefined
  // `version: 0` and `topic_id: <id>`, a line each.
  const text = Buffer.from(bytes).toString('utf8').replaceAll(': ', '=')
  const id = parseProperties(Buffer.from(text)).get('topic_id')
  if (id === undefined) {
    throw new StoreError('KFK_STORE_CORRUPT', `${join(directory, metadataName)} names no topic id`)
  }
  return id
}

/** Ties the directory to a topic id. Durable when it resolves. */
export async function writeTopicId(
  fileSystem: FileSystem,
  directory: string,
  topicId: string,
): Promise<void> {
  const text = `version: 0\ntopic_id: ${topicId}`
  await atomicWriteFile(fileSystem, join(directory, metadataName), Buffer.from(text))
}

/** The producers of a log, as the store's tracker knows them. */
export function producersOf(log: Log): ProducerTracker {
  if (log.tracker instanceof ProducerTracker) return log.tracker
  throw new BrokerError('KFK_BROKER_DATA_DIR', `the producers of ${log.name} are not tracked`)
}
