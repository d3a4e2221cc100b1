import type { FaultyFileSystem } from '../../src/index'
import { settle } from './records'

/** Nothing of what is under way may reach the disk of the next start. */
export async function halt(disk: FaultyFileSystem): Promise<void> {
  disk.inject({ at: 1, times: Number.MAX_SAFE_INTEGER, error: 'crash' })
  await settle(8)
}
