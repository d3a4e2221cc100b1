import { StoreError } from './errors.js'

/** Files of one segment are named by its base offset and one of these. */
export const segmentSuffixes = {
  log: '.log',
  offsetIndex: '.index',
  timeIndex: '.timeindex',
  transactionIndex: '.txnindex',
  producerSnapshot: '.snapshot',
} as const

export const deletedSuffix = '.deleted'
export const cleanedSuffix = '.cleaned'
export const swapSuffix = '.swap'
export const temporarySuffix = '.tmp'
export const deletedDirectorySuffix = '-delete'

export const fileNames = {
  cleanShutdown: '.kafka_cleanshutdown',
  recoveryPoints: 'recovery-point-offset-checkpoint',
  logStarts: 'log-start-offset-checkpoint',
  cleanerOffsets: 'cleaner-offset-checkpoint',
  epochs: 'leader-epoch-checkpoint',
  recoveryNotes: 'kfk.recovery-points',
  logs: 'kfk.logs',
  offsetGaps: 'kfk.offset-gaps',
  quarantine: 'kfk.quarantine',
  scrub: 'kfk.scrub',
} as const

const offsetDigits = 20

/** 20 digits, so that names sort as offsets do. */
export function segmentFileName(baseOffset: number, suffix: string): string {
  return String(baseOffset).padStart(offsetDigits, '0') + suffix
}

/** Files of ours that go with the segment's: checksum of its index, rest of its snapshot. */
const segmentCompanions = ['.txnindex.crc', '.snapshot-detail'] as const

/** `kfk.<20 digits><suffix>`: what Kafka has no place for. */
export function companionFileName(
  baseOffset: number,
  suffix: (typeof segmentCompanions)[number],
): string {
  return `kfk.${segmentFileName(baseOffset, suffix)}`
}

/** All names that files of a segment may have; the data file's comes first. */
export function segmentFileNames(baseOffset: number): string[] {
  return [
    ...Object.values(segmentSuffixes).map((suffix) => segmentFileName(baseOffset, suffix)),
    ...segmentCompanions.map((suffix) => companionFileName(baseOffset, suffix)),
  ]
}

/** Undefined when `name` is not `<20 digits><suffix>` of a safe offset. */
export function parseSegmentFileName(
  name: string,
): { baseOffset: number; suffix: string } | undefined {
  const match = /^(\d{20})(\..+)$/.exec(name)
  if (match === null) return undefined
  const baseOffset = Number(match[1])
  return Number.isSafeInteger(baseOffset) ? { baseOffset, suffix: match[2]! } : undefined
}

/** `orders-3` is partition 3 of topic orders, which is how Kafka's checkpoints name it. */
export function parseLogName(name: string): { topic: string; partition: number } | undefined {
  // 249 characters for the topic are Kafka's own bound; it leaves room for the suffix of a
  // deletion.
  const match = /^([a-zA-Z0-9._-]{1,249})-(0|[1-9]\d{0,9})$/.exec(name)
  if (match === null || match[1] === '.' || match[1] === '..') return undefined
  return { topic: match[1]!, partition: Number(match[2]) }
}

/** Throws KFK_STORE_INVALID_ARGUMENT. */
export function requireLogName(name: string): void {
  if (parseLogName(name) !== undefined && !name.endsWith(deletedDirectorySuffix)) return
  throw new StoreError(
    'KFK_STORE_INVALID_ARGUMENT',
    `a log is named <topic>-<partition>, which ${JSON.stringify(name)} is not`,
    { details: { name } },
  )
}

/**
 * `orders-3` becomes `orders-3.<32 hex>-delete`, cut to the 255 bytes that a file name may have.
 */
export function deletedDirectoryName(name: string, uniqueId: string): string {
  const suffix = `.${uniqueId.replaceAll('-', '')}${deletedDirectorySuffix}`
  return name.slice(0, 255 - suffix.length) + suffix
}

export function isDeletedDirectoryName(name: string): boolean {
  return /\.[0-9a-f]{32}-delete$/.test(name)
}
