import type http from 'node:http'
import { LoaderError } from '../errors.js'
import type { TargetWriter } from '../target.js'
import {
  answerOf,
  exchange,
  openRequest,
  readAnswer,
  timedOut,
  type HttpAnswer,
} from './http-exchange.js'
import { pause, remoteException, type NameNode } from './name-node.js'
import type { WebHdfsAddress } from './webhdfs-address.js'
import { dataNodeLost, isPassing, notWebHdfs, refusal } from './webhdfs-errors.js'

export interface UploadOptions {
  readonly nameNode: NameNode
  readonly address: WebHdfsAddress
  /** In HDFS, from its root. */
  readonly path: string
  readonly signal: AbortSignal | undefined
  /** Length of the file as the NameNode has it; undefined when there is none. */
  readonly lengthOf: () => Promise<number | undefined>
}

/**
 * Files up to this length are sent as a whole, and again when the DataNode fails; longer ones as
 * they come.
 */
const holdBytes = 256 * 1024
const headers = { 'content-type': 'application/octet-stream' }
/** An earlier attempt has left something under the name. */
const leftovers = new Set(['FileAlreadyExistsException', 'AlreadyBeingCreatedException'])

/**
 * Writes one file. Never with `overwrite`: an attempt that was given up could still be carried out
 * later, and would empty the file that the next one has written. What an attempt leaves is removed
 * by name before the next.
 */
export class WebHdfsWriter implements TargetWriter {
  readonly #options: UploadOptions
  #held: Buffer[] = []
  #bytes = 0
  #stream: UploadStream | undefined
  /** Whether anything may have come into being. */
  #begun = false

  constructor(options: UploadOptions) {
    this.#options = options
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#bytes += chunk.length
    if (this.#stream === undefined && this.#bytes <= holdBytes) {
      this.#held.push(Buffer.from(chunk))
      return
    }
    this.#stream ??= await this.#openStream()
    await this.#stream.write(chunk)
  }

  async close(): Promise<{ bytes: number }> {
    if (this.#stream !== undefined) await this.#stream.end()
    else await this.#putWhole(Buffer.concat(this.#held.splice(0)))
    const found = await this.#options.lengthOf()
    if (found === this.#bytes) return { bytes: this.#bytes }
    const message = `${this.#options.path} has ${found ?? 'no'} bytes after ${this.#bytes} were written: load again`
    throw new LoaderError('KFK_LOADER_TARGET', message, { retriable: true })
  }

  async abort(): Promise<void> {
    this.#stream?.destroy()
    if (!this.#begun) return
    // HDFS closes what it got so far and keeps it. Not insisted on: staging is cleared by age.
    await this.#delete({ retries: 0 }).catch(() => undefined)
  }

  async #openStream(): Promise<UploadStream> {
    this.#begun = true
    await this.#delete({})
    const stream = new UploadStream(this.#options, await this.#locate())
    for (const chunk of this.#held.splice(0)) await stream.write(chunk)
    return stream
  }

  async #putWhole(body: Buffer): Promise<void> {
    const { address, path, signal } = this.#options
    this.#begun = true
    for (let attempt = 0; ; attempt++) {
      const url = await this.#locate()
      const last = attempt >= address.retries
      try {
        const { timeoutMs } = address
        const request = {
          method: 'PUT',
          url,
          headers,
          timeoutMs,
          signal,
          keepAlive: false,
        } as const
        const answer = await exchange(request, body)
        if (answer.status === 201 || answer.status === 200) return
        const remote = remoteException(answer)
        const isLeftover = leftovers.has(remote?.exception ?? '')
        if (last || !remote || !(isLeftover || isPassing(remote))) {
          throw refusedBy(url, path, answer)
        }
        if (isLeftover) {
          await this.#delete({})
          continue
        }
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof LoaderError || last) throw dataNodeLost(url.host, path, error)
      }
      await pause(attempt, signal)
    }
  }

  /** Asks which DataNode takes the file. */
  async #locate(): Promise<URL> {
    const { nameNode, path, signal, address } = this.#options
    const parameters = { overwrite: 'false', noredirect: 'true' }
    const call = { method: 'PUT', op: 'CREATE', path, parameters, signal } as const
    const { value } = await nameNode.demand(call)
    return locationOf(value, address)
  }

  async #delete({ retries }: { retries?: number }): Promise<void> {
    const { nameNode, path, signal } = this.#options
    const once = retries === undefined ? { signal } : { retries }
    await nameNode.demand({ method: 'DELETE', op: 'DELETE', path, ...once })
  }
}

/**
 * The address that a NameNode sends its client to. @throws LoaderError KFK_LOADER_TARGET when there
 * is none
 */
export function locationOf(value: unknown, { roots, shown }: WebHdfsAddress): URL {
  const location = (value as { Location?: unknown } | undefined)?.Location
  if (typeof location === 'string' && URL.canParse(location, roots[0])) {
    const url = new URL(location, roots[0])
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  }
  throw new LoaderError('KFK_LOADER_TARGET', `${shown} names no DataNode`, { retriable: true })
}

/** A file on its way to a DataNode, chunk by chunk. */
class UploadStream {
  readonly #request: http.ClientRequest
  readonly #answer: Promise<HttpAnswer>
  readonly #options: UploadOptions
  readonly #url: URL

  constructor(options: UploadOptions, url: URL) {
    this.#options = options
    this.#url = url
    const { signal } = options
    // Between two chunks any time may pass, so each wait has its own bound.
    const request = { method: 'PUT', url, headers, timeoutMs: 0, signal, keepAlive: false } as const
    this.#request = openRequest(request)
    this.#answer = answerOf(this.#request).then(readAnswer)
    this.#answer.catch(() => undefined)
  }

  /** Resolves when the chunk has gone out. An answer before the end is a refusal. */
  async write(chunk: Uint8Array): Promise<void> {
    const written = new Promise<undefined>((resolve, reject) => {
      this.#request.write(chunk, (error) => (error ? reject(error) : resolve(undefined)))
    })
    const early = await this.#within(Promise.race([written, this.#answer]))
    if (early !== undefined) throw refusedBy(this.#url, this.#options.path, early)
  }

  async end(): Promise<void> {
    this.#request.end()
    const answer = await this.#within(this.#answer)
    if (answer.status === 201 || answer.status === 200) return
    throw refusedBy(this.#url, this.#options.path, answer)
  }

  destroy(): void {
    this.#request.destroy()
  }

  async #within<T>(waited: Promise<T>): Promise<T> {
    const { address, path, signal } = this.#options
    const timer = setTimeout(
      () => this.#request.destroy(timedOut(address.timeoutMs)),
      address.timeoutMs,
    )
    try {
      return await Promise.race([waited, this.#answer.then(() => waited)])
    } catch (error) {
      signal?.throwIfAborted()
      throw dataNodeLost(this.#url.host, path, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

function refusedBy(url: URL, path: string, answer: HttpAnswer): LoaderError {
  const asked = { address: url.origin, what: `CREATE ${path}`, user: undefined }
  const remote = remoteException(answer)
  if (remote === undefined) return notWebHdfs(asked, answer.status, answer.body)
  return refusal(asked, answer.status, remote)
}
