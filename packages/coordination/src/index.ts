export type {
  Change,
  CompareAndSet,
  Coordination,
  Entry,
  Holding,
  Lease,
  Session,
  SessionOptions,
  Watch,
  WatchOptions,
} from './coordination.js'
export { CoordinationError, type CoordinationErrorCode } from './coordination-error.js'
export { type Clock, systemClock } from './clock.js'
export {
  checkCompareAndSet,
  checkKey,
  checkPrefix,
  checkSessionOptions,
  checkValue,
  DEFAULT_MAX_VALUE_BYTES,
  MAX_KEY_LENGTH,
  MAX_TTL_MS,
  MIN_TTL_MS,
} from './limits.js'
export { type Channel, ipcChannel, type IpcEndpoint } from './channel/channel.js'
export {
  channelCoordination,
  type ChannelCoordinationOptions,
} from './channel/channel-coordination.js'
export { serveCoordination } from './channel/channel-server.js'
export type { EmbeddedCoordination } from './embedded-coordination.js'
export { memoryCoordination, type MemoryCoordinationOptions } from './memory-coordination.js'
export {
  fileCoordination,
  type FileCoordinationOptions,
  JOURNAL_FILE_NAME,
} from './file-coordination.js'
export type { JournalStorage } from './journal-storage.js'
