import { backoffMs, delay, systemClock } from '@kfk/client'
import { LoaderError } from '../errors.js'
import { exchange, type HttpAnswer } from './http-exchange.js'
import type { WebHdfsAddress } from './webhdfs-address.js'
import {
  isPassing,
  notWebHdfs,
  refusal,
  unauthorized,
  unreachable,
  type Asked,
  type RemoteException,
} from './webhdfs-errors.js'

export interface NameNodeCall {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly op: string
  /** In HDFS, from its root: `/a/b`. */
  readonly path: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Default: those of the address. */
  readonly retries?: number
}

export interface NameNodeReply {
  /** The parsed body; undefined when it is empty. */
  readonly value: unknown
  /** Hadoop's refusal, of a kind that sending again does not change. */
  readonly refused: RemoteException | undefined
  /** An earlier attempt went unanswered: it may have been carried out, or not. */
  readonly ambiguous: boolean
  /** The refusal as an error. */
  error(): Error
}

/**
 * Waits between attempts: enough for a NameNode that restarts quickly, and not long for one that is
 * not there.
 */
const backoff = { initialMs: 200, maxMs: 3000 }
/** Errors of a connection that was never made: the request has certainly not been carried out. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/**
 * Calls that a NameNode (one of several, or a gateway) answers by itself. Each is sent again when
 * there is no answer, or one that may pass; whoever calls something that must not happen twice
 * looks at `ambiguous`.
 */
export class NameNode {
  readonly #address: WebHdfsAddress
  /** Which of the NameNodes answered last. */
  #active = 0

  constructor(address: WebHdfsAddress) {
    this.#address = address
  }

  /**
   * @throws LoaderError KFK_LOADER_NO_TARGET, _TARGET when the answer is none that the caller could
   * deal with
   */
  async call(call: NameNodeCall): Promise<NameNodeReply> {
    const retries = call.retries ?? this.#address.retries
    let ambiguous = false
    for (let attempt = 0; ; attempt++) {
      const last = attempt >= retries
      const asked = this.asked(call)
      try {
        const answer = await this.#send(call)
        const refused = remoteException(answer)
        const standby = refused?.exception === 'StandbyException' && this.#address.roots.length > 1
        if (refused !== undefined && !last && (standby || isPassing(refused))) {
          this.#active += 1
        } else if (isGatewayError(answer) && refused === undefined && !last) {
          ambiguous = true
        } else {
          return reply(asked, answer, { refused, ambiguous })
        }
      } catch (error) {
        call.signal?.throwIfAborted()
        if (!isConnectionError(error)) throw error
        if (last) throw unreachable(asked.address, error)
        if (!neverSent.has(error.code)) ambiguous = true
        this.#active += 1
      }
      await pause(attempt, call.signal)
    }
  }

  /** The same, when any refusal is an error. */
  async demand(call: NameNodeCall): Promise<NameNodeReply> {
    const answered = await this.call(call)
    if (answered.refused !== undefined) throw answered.error()
    return answered
  }

  /** For messages. */
  asked({ op, path }: Pick<NameNodeCall, 'op' | 'path'>): Asked {
    const { roots, user } = this.#address
    const { origin } = new URL(roots[this.#active % roots.length]!)
    return { address: origin, what: `${op} ${path}`, user }
  }

  #send({ method, op, path, parameters, signal }: NameNodeCall): Promise<HttpAnswer> {
    const { roots, user, delegationToken, timeoutMs } = this.#address
    const url = new URL(`${roots[this.#active % roots.length]!}${encodePath(path)}`)
    const query = new URLSearchParams({ op, ...parameters })
    if (delegationToken !== undefined) query.set('delegation', delegationToken)
    else if (user !== undefined) query.set('user.name', user)
    url.search = query.toString()
    return exchange({ method, url, timeoutMs, signal, keepAlive: true })
  }
}

/** Waits before the next attempt. */
export async function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(systemClock, backoffMs(backoff, attempt, Math.random), signal).catch(() => undefined)
  signal?.throwIfAborted()
}

export function encodePath(path: string): string {
  return path === '' ? '/' : path.split('/').map(encodeURIComponent).join('/')
}

/**
 * What Hadoop says when it refuses; undefined when it did not, or when it was not Hadoop who
 * answered.
 */
export function remoteException({ status, body }: HttpAnswer): RemoteException | undefined {
  if (status < 400) return undefined
  const parsed = parseJson(body) as { RemoteException?: Record<string, unknown> } | undefined
  const { exception, message } = parsed?.RemoteException ?? {}
  if (typeof exception !== 'string') return undefined
  return { exception, message: typeof message === 'string' ? message : '' }
}

function reply(
  asked: Asked,
  answer: HttpAnswer,
  { refused, ambiguous }: Pick<NameNodeReply, 'refused' | 'ambiguous'>,
): NameNodeReply {
  const { status, body, headers } = answer
  if (status === 401) throw unauthorized(asked, headers['www-authenticate'] ?? 'status 401')
  const redirect = status >= 300 && status < 400 ? headers.location : undefined
  const value = redirect === undefined ? parseJson(body) : { Location: redirect }
  const understood = refused !== undefined || (status < 400 && (value !== undefined || body === ''))
  if (!understood) throw notWebHdfs(asked, status, body)
  const error = (): Error =>
    refusal(asked, status, refused ?? { exception: `status ${status}`, message: body })
  return { value, refused, ambiguous, error }
}

/** A gateway in between has lost the NameNode, or has given up waiting. */
function isGatewayError({ status }: HttpAnswer): boolean {
  return status === 502 || status === 503 || status === 504
}

function isConnectionError(error: unknown): error is Error & { code: string } {
  if (error instanceof LoaderError) return false
  const { code, message } = error as NodeJS.ErrnoException
  return code !== undefined || /closed without an answer|aborted/.test(message)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
