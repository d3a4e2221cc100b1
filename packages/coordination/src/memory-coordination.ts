import { type Clock, systemClock } from './clock.js'
import { EmbeddedCoordination } from './embedded-coordination.js'
import { EmbeddedHub } from './embedded-hub.js'
import { DEFAULT_MAX_VALUE_BYTES } from './limits.js'

export interface MemoryCoordinationOptions {
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** Longest value in UTF-8 bytes. Default 1 MiB. */
  readonly maxValueBytes?: number
}

/**
 * Coordination in memory: for one process, or for several brokers in one process (each takes
 * `connect()`). Nothing survives the last `close()`. The reference for what the interface means.
 */
export function memoryCoordination(options: MemoryCoordinationOptions = {}): EmbeddedCoordination {
  const hub = new EmbeddedHub(options.clock ?? systemClock)
  return new EmbeddedCoordination('memory', hub, options.maxValueBytes ?? DEFAULT_MAX_VALUE_BYTES)
}
