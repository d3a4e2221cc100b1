import http from 'node:http'
import https from 'node:https'

/**
 * One request with node:http. Not with `fetch`: a DataNode sends `100 Continue` without being
 * asked, which fetch takes for a broken answer.
 */
export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Bound of every wait: to be connected, and for each sign of life of the peer. Milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Keep the connection for further requests. */
  readonly keepAlive: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** Beginning of the body as text. */
  readonly body: string
}

/**
 * Connections to NameNodes, kept open between requests. Idle ones do not keep the process alive.
 */
const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: 32 }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: 32 }),
}

/** An answer is JSON: a batch of a listing at most. */
const maxBodyBytes = 64 * 1024 * 1024

export function openRequest(request: HttpRequest): http.ClientRequest {
  const { method, url, headers, timeoutMs, signal, keepAlive } = request
  const module = url.protocol === 'https:' ? https : http
  const agent = keepAlive ? agents[url.protocol as keyof typeof agents] : false
  const opened = module.request(url, { method, headers, agent, timeout: timeoutMs })
  opened.on('timeout', () => opened.destroy(timedOut(timeoutMs)))
  // Whoever waits gets it; after that it is of no interest.
  opened.on('error', () => undefined)
  const abort = (): void => void opened.destroy(reasonOf(signal!))
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort, { once: true })
  opened.once('close', () => signal?.removeEventListener('abort', abort))
  return opened
}

/** Sends a request with an optional body and reads the answer. */
export async function exchange(request: HttpRequest, body?: Uint8Array): Promise<HttpAnswer> {
  const opened = openRequest(request)
  const answered = answerOf(opened)
  opened.end(body)
  return readAnswer(await answered)
}

/** Resolves with the head of the answer. */
export function answerOf(opened: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    opened.once('response', resolve)
    opened.once('error', reject)
    opened.once('close', () => reject(new Error('the connection was closed without an answer')))
  })
}

export async function readAnswer(message: http.IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new Error(`an answer of more than ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  const { statusCode = 0, headers } = message
  return { status: statusCode, headers, body: Buffer.concat(chunks).toString() }
}

export function timedOut(timeoutMs: number): Error {
  return Object.assign(new Error(`no sign of life for ${timeoutMs} ms`), { code: 'ETIMEDOUT' })
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Error ? reason : new Error(String(reason))
}
