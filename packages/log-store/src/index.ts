export type { AbortedTransaction, LogTracker, TrackerSnapshot } from './log-tracker.js'
export { ProducerTracker, type ProducerTrackerOptions } from './producer-tracker.js'
export type { ProducerBatch, ProducerEntry } from './producer-snapshot.js'
export type {
  BatchFormat,
  BatchSummary,
  CompactionFormat,
  ProducerSummary,
  RecordSummary,
  RecordView,
  RewriteRules,
} from './batch-format.js'
export type { CleanerOptions } from './cleaner.js'
export type { Clock } from './clock.js'
export {
  onStoreMessage,
  storeChannels,
  type AppendMessage,
  type CompactionMessage,
  type FlushMessage,
  type LogMessage,
  type PoisonMessage,
  type ReadMessage,
  type ReadTemperature,
  type RecoveryMessage,
  type RollMessage,
  type ScrubMessage,
  type StoreMessages,
} from './diagnostics.js'
export type { CompactionReport } from './compaction.js'
export { StoreError, type StoreErrorCode } from './errors.js'
export {
  type DirectoryEntry,
  type FileHandle,
  type FileStat,
  type FileSystem,
  type OpenMode,
} from './fs/file-system.js'
export {
  type CrashOutcome,
  type Fault,
  faultyFileSystem,
  type FaultyFileSystem,
  type FileOperation,
} from './fs/faulty-file-system.js'
export { recordingFileSystem, type RecordingFileSystem } from './fs/recording-file-system.js'
export type { CrashedDisk, CrashPoint } from './fs/crash-replay.js'
export type { DiskChange, DiskStep, Survival } from './fs/disk-step.js'
export { memoryFileSystem } from './fs/memory-file-system.js'
export { nodeFileSystem } from './fs/node-file-system.js'
export {
  atomicWriteFile,
  readCheckpoint,
  readCheckedFile,
  writeCheckedFile,
  writeCheckpoint,
} from './checkpoint-file.js'
export { frameFormat, type FrameFormat, type RecordCodec } from './frame-format.js'
export { type Frame, type FrameRecord } from './frame-layout.js'
export { openLogDirectory } from './open-log-directory.js'
export type {
  AppendInfo,
  Log,
  LogDamage,
  LogSlice,
  LogStats,
  ReadRequest,
  Rollback,
  TimestampOffset,
} from './log.js'
export type {
  DirectoryStats,
  LogDirectory,
  LogDirectoryOptions,
  RetentionReport,
} from './log-directory.js'
export { collectStoreMetrics, type CollectedMetrics } from './collected-metrics.js'
export { histogramQuantile, type HistogramSnapshot } from './histogram.js'
export type { StoreMetricsSnapshot } from './store-metrics.js'
export { type CleanupPolicy, defaultLogOptions, type LogOptions } from './options.js'
export type { StoreReport } from './report.js'
export {
  repairLog,
  type RepairCut,
  type RepairOptions,
  type RepairReport,
  repairSegment,
} from './repair.js'
export type { LostOffsets } from './repair-plan.js'
export { detectFormat, repairPath, type RepairPathOptions } from './repair-path.js'
export type { ScrubOptions, ScrubReport } from './scrubber.js'
export { describeRepair } from './repair-text.js'
export { dumpSegment, type DumpOptions } from './dump.js'
export type { DumpLine } from './dump-line.js'
export { type EmbeddedLog, openLog, openLogIn } from './embedded-log.js'
export type {
  AppendedRange,
  AppendOptions,
  Durability,
  DurabilityBounds,
  EmbeddedLogOptions,
  EmbeddedLogSettings,
  EmbeddedLogStats,
  FollowOptions,
  NewRecord,
  PageOptions,
  Payload,
  ReadOptions,
  RecordsOptions,
} from './embedded-options.js'
export type { EmbeddedRecord, LogPage } from './log-page.js'
