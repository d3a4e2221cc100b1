import { memoryFileSystem, openLogDirectory, type FileSystem } from '@kfk/log-store'
import { recordBatchFormat } from '@kfk/protocol'
import { StaticBrokerConfig } from '../../src/config/broker-config'
import type { Partition } from '../../src/context'
import { METADATA_TOPIC } from '../../src/controller/topic-name'
import { LogPartitionRegistry } from '../../src/partition/partition-registry'
import { silentLogger } from '../../src/runtime/logger'
import { SystemClock } from '../../src/runtime/system-clock'

/** A metadata partition on a disk in memory, led under `leaderEpoch`. */
export async function metadataNode(
  leaderEpoch: number,
  fileSystem: FileSystem = memoryFileSystem(),
): Promise<{ partition: Partition; close(): Promise<void> }> {
  const directory = await openLogDirectory('/data', { fileSystem, format: recordBatchFormat })
  const registry = new LogPartitionRegistry({
    nodeId: leaderEpoch % 1024,
    leaderEpoch,
    directory,
    fileSystem,
    config: StaticBrokerConfig.parse(),
    clock: new SystemClock(),
    logger: silentLogger,
    onAdvance: () => undefined,
  })
  const partition = await registry.openInternal(METADATA_TOPIC, 0)
  return {
    partition,
    async close() {
      registry.close()
      await directory.close()
    },
  }
}
