import { LoaderError } from './errors.js'
import { isPlainPath, stagingRoot, type SplitName } from './file-layout.js'

/** A file that a split wrote. */
export interface ManifestFile {
  /** Where it was written before the commit. */
  readonly staged: string
  /** Where it belongs. */
  readonly final: string
  readonly kind: 'records' | 'rejected'
  readonly bytes: number
  readonly records: number
  /** CRC-32 (IEEE) of the file's bytes, 8 hexadecimal digits. */
  readonly crc32: string
  /** Event times of its records, milliseconds since 1970; null for rejected ones. */
  readonly firstTimeMs: number | null
  readonly lastTimeMs: number | null
}

/**
 * The commit of offsets [from, to) of one partition. Its being there, under its name, is the
 * commit; its content says what was committed. Written once, never changed.
 */
export interface Manifest extends SplitName {
  readonly version: 1
  readonly topicId: string
  /** Which run wrote it. */
  readonly run: string
  readonly createdMs: number
  /** Records in files of kind `records`. */
  readonly records: number
  readonly rejected: number
  /**
   * Offsets without a record to load: control records of transactions, records of aborted ones, and
   * holes that compaction left.
   */
  readonly control: number
  /** Offsets that the log had deleted before they could be loaded. */
  readonly missing: number
  readonly files: readonly ManifestFile[]
}

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 1)}\n`
}

/**
 * Why the counts of a manifest do not add up, or undefined: every offset is a record, rejected,
 * control or missing.
 */
export function imbalance(
  manifest: Omit<Manifest, 'createdMs' | 'run' | 'version'>,
): string | undefined {
  const { from, to, records, rejected, control, missing, files } = manifest
  const sum = (kind: ManifestFile['kind']): number =>
    files.filter((file) => file.kind === kind).reduce((total, file) => total + file.records, 0)
  if (to - from !== records + rejected + control + missing) {
    return `${to - from} offsets, but ${records} records + ${rejected} rejected + ${control} control + ${missing} missing`
  }
  if (sum('records') !== records) return `${records} records, but the files have ${sum('records')}`
  if (sum('rejected') !== rejected)
    return `${rejected} rejected, but the files have ${sum('rejected')}`
  return undefined
}

/**
 * Says only that the log had lost its first offsets before the first load: nothing is missing that
 * was ever asked for.
 */
export function isBeginning({ from, to, missing }: Manifest): boolean {
  return from === 0 && missing === to
}

/**
 * Reads a manifest back. It was written by this program, but it comes from outside: every field is
 * checked.
 * @throws LoaderError KFK_LOADER_DAMAGED naming the path
 */
export function parseManifest(text: string, path: string): Manifest {
  const damaged = (why: string): LoaderError =>
    new LoaderError('KFK_LOADER_DAMAGED', `the manifest ${path} cannot be used: ${why}`, {
      details: { path },
    })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw damaged((cause as Error).message)
  }
  if (typeof value !== 'object' || value === null) throw damaged('it is not an object')
  const manifest = value as Record<string, unknown>
  if (manifest.version !== 1)
    throw damaged(`version ${JSON.stringify(manifest.version)} is not supported, only 1`)
  for (const name of ['topic', 'topicId', 'run']) {
    if (typeof manifest[name] !== 'string') throw damaged(`${name} is not text`)
  }
  for (const name of [
    'partition',
    'from',
    'to',
    'createdMs',
    'records',
    'rejected',
    'control',
    'missing',
  ]) {
    if (!isCount(manifest[name])) throw damaged(`${name} is not a count`)
  }
  const topicDir = `${manifest.topic as string}/`
  if (!Array.isArray(manifest.files) || !manifest.files.every((file) => isFileOf(topicDir, file))) {
    throw damaged('files is not a list of files of this topic')
  }
  const checked = value as Manifest
  // Otherwise whoever follows the chain would walk in a circle.
  if (checked.to <= checked.from) throw damaged(`it ends at ${checked.to} and begins later`)
  const unbalanced = imbalance(checked)
  if (unbalanced !== undefined) throw damaged(unbalanced)
  return checked
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** The paths are names to be moved: they must not lead out of staging and the topic's directory. */
function isFileOf(topicDir: string, value: unknown): value is ManifestFile {
  if (typeof value !== 'object' || value === null) return false
  const file = value as Record<string, unknown>
  const isPathIn = (dir: string, path: unknown): boolean =>
    typeof path === 'string' && path.startsWith(dir) && isPlainPath(path)
  const isTime = (time: unknown): boolean => time === null || Number.isSafeInteger(time)
  return (
    isPathIn(`${stagingRoot}/`, file.staged) &&
    isPathIn(topicDir, file.final) &&
    (file.kind === 'records' || file.kind === 'rejected') &&
    isCount(file.bytes) &&
    isCount(file.records) &&
    typeof file.crc32 === 'string' &&
    /^[0-9a-f]{8}$/.test(file.crc32) &&
    isTime(file.firstTimeMs) &&
    isTime(file.lastTimeMs)
  )
}
