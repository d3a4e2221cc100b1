/** A WebHDFS that misbehaves: real answers of Hadoop 3.4, given or withheld as a test wants it. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** What is asked for: `RENAME /base/a`. */
export interface FakeRequest {
  readonly op: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Buffer
}

export interface FakeAnswer {
  readonly status: number
  /** An object goes as JSON. */
  readonly body?: unknown
}

/** `hangUp`: carried out, but the connection breaks. `silent`: nothing comes back. Undefined: as HDFS does. */
export type Misbehaviour = FakeAnswer | 'hangUp' | 'hangUpBefore' | 'silent' | undefined

export interface FakeWebHdfs {
  readonly url: string
  readonly files: Map<string, Buffer>
  readonly seen: FakeRequest[]
  /** Looks at each request first. */
  misbehave: (request: FakeRequest) => Misbehaviour
  close(): Promise<void>
}

export function remoteException(status: number, exception: string, message = ''): FakeAnswer {
  return { status, body: { RemoteException: { exception, javaClassName: exception, message } } }
}

export async function startFakeWebHdfs({ httpFs = false } = {}): Promise<FakeWebHdfs> {
  const files = new Map<string, Buffer>()
  const server = http.createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const url = new URL(incoming.url!, fake.url)
      const path = decodeURIComponent(url.pathname).replace(/^\/webhdfs\/v1/, '')
      const query = url.searchParams
      const body = Buffer.concat(chunks)
      const request = { op: query.get('op') ?? '', path, query, body }
      fake.seen.push(request)
      const misbehaviour = fake.misbehave(request)
      if (misbehaviour === 'silent') return
      if (misbehaviour === 'hangUpBefore') return void incoming.socket.destroy()
      const isAnswer = typeof misbehaviour === 'object'
      const answer = isAnswer ? misbehaviour : answerTo(files, request, { root: fake.url, httpFs })
      if (misbehaviour === 'hangUp') return void incoming.socket.destroy()
      send(outgoing, answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const fake: FakeWebHdfs = {
    url: `http://127.0.0.1:${port}`,
    files,
    seen: [],
    misbehave: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return fake
}

function send(outgoing: http.ServerResponse, { status, body }: FakeAnswer): void {
  outgoing.statusCode = status
  const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
  outgoing.end(isRaw ? body : JSON.stringify(body))
}

function answerTo(
  files: Map<string, Buffer>,
  { op, path, query, body }: FakeRequest,
  { root, httpFs }: { root: string; httpFs: boolean },
): FakeAnswer {
  const notFound = remoteException(404, 'FileNotFoundException', `no ${path}`)
  const file = files.get(path)
  if (op === 'GETFILESTATUS') {
    if (!file) return notFound
    const type = 'FILE'
    const status = { pathSuffix: '', type, length: file.length, modificationTime: 1 }
    return { status: 200, body: { FileStatus: status } }
  }
  if (op === 'RENAME') {
    const to = query.get('destination')!
    const options = httpFs ? null : query.get('renameoptions')
    if (options === null && (!file || files.has(to)))
      return { status: 200, body: { boolean: false } }
    if (!file) return notFound
    if (files.has(to) && options === 'NONE') {
      return remoteException(403, 'FileAlreadyExistsException', to)
    }
    files.delete(path)
    files.set(to, file)
    return options === null ? { status: 200, body: { boolean: true } } : { status: 200 }
  }
  if (op === 'CREATE' && query.get('step') !== '2') {
    query.set('step', '2')
    return { status: 200, body: { Location: `${root}/webhdfs/v1${path}?${query.toString()}` } }
  }
  if (op === 'CREATE') {
    if (file && query.get('overwrite') === 'false') {
      return remoteException(403, 'FileAlreadyExistsException', path)
    }
    files.set(path, body)
    return { status: 201 }
  }
  if (op === 'OPEN' && query.get('step') !== '2') {
    if (!file) return notFound
    return { status: 307, body: '' }
  }
  if (op === 'DELETE') return { status: 200, body: { boolean: files.delete(path) } }
  return { status: 200, body: { boolean: true } }
}
