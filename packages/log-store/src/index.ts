export type { BatchFormat, BatchSummary, ProducerSummary, RecordSummary } from './batch-format.js'
export type { Clock } from './clock.js'
export { StoreError, type StoreErrorCode } from './errors.js'
export {
  type DirectoryEntry,
  type FileHandle,
  type FileStat,
  type FileSystem,
} from './fs/file-system.js'
export { memoryFileSystem } from './fs/memory-file-system.js'
export { nodeFileSystem } from './fs/node-file-system.js'
export type {
  AppendInfo,
  Log,
  LogSlice,
  LogStats,
  ReadRequest,
  Rollback,
  TimestampOffset,
} from './log.js'
export type {
  LogDirectory,
  LogDirectoryOptions,
  RetentionReport,
  StoreReport,
} from './log-directory.js'
export { defaultLogOptions, type LogOptions } from './options.js'
