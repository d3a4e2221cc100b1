import { LoaderError } from '../errors.js'
import { isPlainPath, parentOf } from '../file-layout.js'
import type { Target, TargetEntry, TargetOptions, TargetWriter } from '../target.js'
import { answerOf, openRequest, readAnswer } from './http-exchange.js'
import { NameNode, pause, remoteException, type NameNodeReply } from './name-node.js'
import { parseWebHdfsAddress, type WebHdfsAddress, type WebHdfsOptions } from './webhdfs-address.js'
import { dataNodeLost, notWebHdfs, refusal } from './webhdfs-errors.js'
import { locationOf, WebHdfsWriter } from './webhdfs-upload.js'

/**
 * A directory of HDFS over WebHDFS, without Java. Also HttpFS and gateways that speak it. Lost
 * answers and restarts of the NameNode are bridged as far as `retries` reach.
 *
 * @throws LoaderError KFK_LOADER_INVALID_ARGUMENT when the address is none
 */
export function webHdfsTarget(options: WebHdfsOptions): Target {
  return new WebHdfsTarget(parseWebHdfsAddress(options))
}

interface FileStatus {
  readonly pathSuffix: string
  readonly type: string
  readonly length: number
  readonly modificationTime: number
}

class WebHdfsTarget implements Target {
  readonly url: string
  readonly #address: WebHdfsAddress
  readonly #nameNode: NameNode

  constructor(address: WebHdfsAddress) {
    this.url = address.shown
    this.#address = address
    this.#nameNode = new NameNode(address)
  }

  create(path: string, { signal }: TargetOptions = {}): Promise<TargetWriter> {
    const writer = new WebHdfsWriter({
      nameNode: this.#nameNode,
      address: this.#address,
      path: this.#resolve(path),
      signal,
      lengthOf: async () => (await this.stat(path, { signal }))?.bytes,
    })
    return Promise.resolve(writer)
  }

  async *read(path: string, { signal }: TargetOptions = {}): AsyncIterable<Uint8Array> {
    const { body, host } = await this.#open(this.#resolve(path), signal)
    try {
      for await (const chunk of body) yield chunk
    } catch (error) {
      signal?.throwIfAborted()
      throw dataNodeLost(host, path, error)
    }
  }

  async renameIfAbsent(from: string, to: string, options: TargetOptions = {}): Promise<boolean> {
    const { signal } = options
    const parameters = { destination: this.#resolve(to), renameoptions: 'NONE' }
    const path = this.#resolve(from)
    let ambiguous = false
    for (let made = false; ; made = true) {
      const call = { method: 'PUT', op: 'RENAME', path, parameters, signal } as const
      const reply = await this.#nameNode.call(call)
      ambiguous ||= reply.ambiguous
      if (isDone(reply)) return true
      // HttpFS knows no renameoptions and answers "false" for all that follows; so look instead of
      // interpreting.
      if (reply.refused && !isAboutNames(reply)) throw reply.error()
      const [source, destination] = await Promise.all([
        this.stat(from, options),
        this.stat(to, options),
      ])
      // When an answer was lost, the first attempt may be the one that made `to`: then `from` is
      // gone.
      if (destination !== undefined) return ambiguous && source === undefined
      if (source === undefined || made) throw reply.refused ? reply.error() : cannotRename(path, to)
      await this.#makeParent(to, options)
    }
  }

  async replace(from: string, to: string, options: TargetOptions = {}): Promise<void> {
    const { signal } = options
    const parameters = { destination: this.#resolve(to), renameoptions: 'OVERWRITE' }
    const path = this.#resolve(from)
    let ambiguous = false
    for (let again = false; ; again = true) {
      const call = { method: 'PUT', op: 'RENAME', path, parameters, signal } as const
      const reply = await this.#nameNode.call(call)
      ambiguous ||= reply.ambiguous
      if (isDone(reply)) return
      if (reply.refused && !isAboutNames(reply)) throw reply.error()
      const source = await this.stat(from, options)
      if (source === undefined && ambiguous && (await this.stat(to, options))) return
      if (source === undefined || again)
        throw reply.refused ? reply.error() : cannotRename(path, to)
      // HttpFS does not replace.
      if (!reply.refused) await this.delete(to, options)
      await this.#makeParent(to, options)
    }
  }

  async list(dir: string, { signal }: TargetOptions = {}): Promise<TargetEntry[]> {
    const path = this.#resolve(dir)
    const entries: TargetEntry[] = []
    let startAfter = ''
    for (;;) {
      // A directory may have a million entries: they come a thousand at a time.
      const op = 'LISTSTATUS_BATCH'
      const call = { method: 'GET', op, path, parameters: { startAfter }, signal } as const
      const reply = await this.#nameNode.call(call)
      if (reply.refused?.exception === 'FileNotFoundException') return entries
      if (reply.refused) throw reply.error()
      const listing = directoryListing(reply.value)
      if (!listing) throw notWebHdfs(this.#nameNode.asked(call), 200, JSON.stringify(reply.value))
      if (listing.found.some(({ pathSuffix }) => pathSuffix === '')) {
        const message = `${this.url}/${dir} is a file, not a directory`
        throw new LoaderError('KFK_LOADER_TARGET', message, { details: { path } })
      }
      entries.push(...listing.found.map((status) => entryOf(status.pathSuffix, status)))
      if (listing.remaining === 0 || listing.found.length === 0) return entries
      startAfter = listing.found.at(-1)!.pathSuffix
    }
  }

  async stat(path: string, { signal }: TargetOptions = {}): Promise<TargetEntry | undefined> {
    const full = this.#resolve(path)
    const call = { method: 'GET', op: 'GETFILESTATUS', path: full, signal } as const
    const reply = await this.#nameNode.call(call)
    if (reply.refused?.exception === 'FileNotFoundException') return undefined
    if (reply.refused) throw reply.error()
    const status = (reply.value as { FileStatus?: FileStatus } | undefined)?.FileStatus
    if (!status) throw notWebHdfs(this.#nameNode.asked(call), 200, JSON.stringify(reply.value))
    return entryOf(path.slice(path.lastIndexOf('/') + 1), status)
  }

  async delete(path: string, { signal }: TargetOptions = {}): Promise<boolean> {
    const full = this.#resolve(path)
    const parameters = { recursive: 'true' }
    const call = { method: 'DELETE', op: 'DELETE', path: full, parameters, signal } as const
    return isDone(await this.#nameNode.demand(call))
  }

  async #makeParent(of: string, { signal }: TargetOptions): Promise<void> {
    const path = parentOf(this.#resolve(of))
    await this.#nameNode.demand({ method: 'PUT', op: 'MKDIRS', path, signal })
  }

  /** Begins to read; asks for another DataNode when the first does not answer. */
  async #open(path: string, signal: AbortSignal | undefined) {
    const { retries, timeoutMs } = this.#address
    const call = { method: 'GET', op: 'OPEN', path, parameters: { noredirect: 'true' } } as const
    for (let attempt = 0; ; attempt++) {
      const { value } = await this.#nameNode.demand({ ...call, signal })
      const url = locationOf(value, this.#address)
      try {
        const request = { method: 'GET', url, timeoutMs, signal, keepAlive: false } as const
        const opened = openRequest(request)
        const answered = answerOf(opened)
        opened.end()
        const body = await answered
        if (body.statusCode === 200)
          return { body: body as AsyncIterable<Uint8Array>, host: url.host }
        const answer = await readAnswer(body)
        const remote = remoteException(answer)
        const asked = { ...this.#nameNode.asked(call), address: url.origin }
        if (remote === undefined) throw notWebHdfs(asked, answer.status, answer.body)
        throw refusal(asked, answer.status, remote)
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof LoaderError) throw error
        if (attempt >= retries) throw dataNodeLost(url.host, path, error)
      }
      await pause(attempt, signal)
    }
  }

  /** Names come from validated parts; this is the last line of defence. */
  #resolve(path: string): string {
    if (isPlainPath(path)) return `${this.#address.basePath}/${path}`
    throw new LoaderError('KFK_LOADER_INVALID_ARGUMENT', `'${path}' is no path in a target`)
  }
}

/** With renameoptions nothing is answered, without, and by other operations, a boolean. */
function isDone({ refused, value }: NameNodeReply): boolean {
  return refused === undefined && (value as { boolean?: unknown } | undefined)?.boolean !== false
}

function isAboutNames({ refused }: NameNodeReply): boolean {
  const { exception, message } = refused!
  return (
    exception === 'FileAlreadyExistsException' ||
    exception === 'FileNotFoundException' ||
    // What FileSystem.rename of some Hadoop versions throws for a missing parent.
    (exception === 'ParentNotDirectoryException' && /does not exist|not found/.test(message))
  )
}

function cannotRename(from: string, to: string): LoaderError {
  const message = `${from} cannot be renamed to ${to}: HDFS gives no reason`
  return new LoaderError('KFK_LOADER_TARGET', message, { details: { from, to } })
}

function directoryListing(value: unknown) {
  const listing = (
    value as
      | {
          DirectoryListing?: {
            partialListing?: { FileStatuses?: { FileStatus?: FileStatus[] } }
            remainingEntries?: number
          }
        }
      | undefined
  )?.DirectoryListing
  const found = listing?.partialListing?.FileStatuses?.FileStatus
  return found && { found, remaining: listing.remainingEntries ?? 0 }
}

function entryOf(name: string, { type, length, modificationTime }: FileStatus): TargetEntry {
  return { name, isDirectory: type === 'DIRECTORY', bytes: length, modifiedMs: modificationTime }
}
