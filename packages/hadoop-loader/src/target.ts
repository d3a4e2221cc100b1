import { LoaderError } from './errors.js'

/**
 * Where a load goes: a tree of files. Paths are relative to the target's root, separated by `/`,
 * without `.` and `..`.
 *
 * Every method rejects with LoaderError KFK_LOADER_TARGET (or KFK_LOADER_NO_TARGET when the target
 * cannot be reached), and with the signal's reason when it is aborted. What a method has promised
 * survives a crash of the loader; whether it survives a power loss is the target's affair (a local
 * directory fsyncs, HDFS replicates).
 */
export interface Target {
  /** For messages: a directory or a URL. */
  readonly url: string
  /**
   * Starts a file, making its parents. Replaces a leftover of the same name: only staging is
   * written this way.
   */
  create(path: string, options?: TargetOptions): Promise<TargetWriter>
  /** The bytes of a file. A missing file is an error. */
  read(path: string, options?: TargetOptions): AsyncIterable<Uint8Array>
  /**
   * The commit primitive: moves a file to a name that must be free, in one step, making the parents
   * of `to`. True when this call made `to`; false when `to` is there already, whoever made it. Of
   * any number of concurrent calls with the same `to` exactly one gets true. Rejects when `from` is
   * missing and `to` too. A target that sends a request again because its answer was lost finds out
   * which of the two it is: while `from` is still there, another one has won.
   */
  renameIfAbsent(from: string, to: string, options?: TargetOptions): Promise<boolean>
  /** Moves a file, replacing what is at `to`. For hints that may be lost. */
  replace(from: string, to: string, options?: TargetOptions): Promise<void>
  /** The entries of a directory by name; none when it does not exist. */
  list(dir: string, options?: TargetOptions): Promise<TargetEntry[]>
  stat(path: string, options?: TargetOptions): Promise<TargetEntry | undefined>
  /** Removes a file, or a directory with all that is in it. False when there is nothing. */
  delete(path: string, options?: TargetOptions): Promise<boolean>
}

export interface TargetOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * A file being written. It counts only after `close`; `abort` leaves nothing or a leftover in
 * staging.
 */
export interface TargetWriter {
  /** Resolves when more may be written (back-pressure). The bytes are the target's until then. */
  write(chunk: Uint8Array): Promise<void>
  /** Resolves when the whole file is there, its length checked. */
  close(): Promise<{ readonly bytes: number }>
  abort(): Promise<void>
}

export interface TargetEntry {
  /** Last part of the path. */
  readonly name: string
  readonly isDirectory: boolean
  readonly bytes: number
  /** Milliseconds since 1970, by the target's clock. */
  readonly modifiedMs: number
}

/** Writes a small file as a whole. */
export async function writeFile(
  target: Target,
  path: string,
  content: string,
  options?: TargetOptions,
): Promise<void> {
  const writer = await target.create(path, options)
  try {
    await writer.write(Buffer.from(content))
    await writer.close()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/**
 * Manifests and checkpoints are small: a split over all hours of ten years has a manifest of 40 MB.
 */
const maxFileBytes = 256 * 1024 * 1024

/** Reads a small file as a whole; undefined when there is none. */
export async function readFile(
  target: Target,
  path: string,
  options?: TargetOptions,
): Promise<string | undefined> {
  if ((await target.stat(path, options)) === undefined) return undefined
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of target.read(path, options)) {
    bytes += chunk.length
    if (bytes > maxFileBytes) {
      const message = `${target.url}/${path} is longer than ${maxFileBytes} bytes: it is no file of a load`
      throw new LoaderError('KFK_LOADER_DAMAGED', message, { details: { path } })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
