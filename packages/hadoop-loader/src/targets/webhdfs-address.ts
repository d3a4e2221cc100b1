import os from 'node:os'
import { LoaderError } from '../errors.js'

export interface WebHdfsOptions {
  /**
   * `http://namenode:9870/base/path`; https, `webhdfs://` and `swebhdfs://` do as well, and several
   * NameNodes of one HDFS separated by commas (`http://nn1:9870,nn2:9870/path`). HttpFS and Knox:
   * with their prefix up to `/webhdfs/v1`.
   */
  readonly url: string
  /** Who asks. Default: the one in the URL, HADOOP_USER_NAME, the user of this process. */
  readonly user?: string
  /** Of a secured cluster; goes in the place of `user`. */
  readonly delegationToken?: string
  /** Bound of every wait for a sign of life, in milliseconds. Default 60000. */
  readonly timeoutMs?: number
  /**
   * Attempts after the first, of requests that may be repeated. Default 6, over about 10 seconds.
   */
  readonly retries?: number
}

/** A WebHDFS with all that its requests have in common. */
export interface WebHdfsAddress {
  /** `http://nn1:9870/webhdfs/v1` of each NameNode. */
  readonly roots: readonly string[]
  /** Of the target, without a slash at its end; empty for the root of HDFS. */
  readonly basePath: string
  readonly user: string | undefined
  readonly delegationToken: string | undefined
  readonly timeoutMs: number
  readonly retries: number
  /** For messages. */
  readonly shown: string
}

const schemes: Readonly<Record<string, 'http' | 'https'>> = {
  http: 'http',
  https: 'https',
  webhdfs: 'http',
  swebhdfs: 'https',
}
const apiPrefix = '/webhdfs/v1'

/** @throws LoaderError KFK_LOADER_INVALID_ARGUMENT */
export function parseWebHdfsAddress(options: WebHdfsOptions): WebHdfsAddress {
  const match = /^([a-z]+):\/\/(?:([^@/]+)@)?([^/]+)(\/.*)?$/.exec(options.url)
  const scheme = match && schemes[match[1]!]
  if (!match || !scheme) {
    const hint = options.url.startsWith('hdfs://')
      ? ' (hdfs:// is the RPC, which is not spoken)'
      : ''
    throw invalid(
      `${options.url} is not the address of a WebHDFS${hint}: http://NAMENODE:9870/path`,
    )
  }
  const [, , urlUser, authority, path = ''] = match
  const hosts = authority!.split(',')
  for (const host of hosts) checkHost(host, options.url)
  const { prefix, basePath } = splitPath(path, options.url)
  const user = options.user ?? urlUser ?? process.env.HADOOP_USER_NAME ?? userOfProcess()
  return {
    roots: hosts.map((host) => `${scheme}://${host}${prefix}`),
    basePath,
    user: options.delegationToken === undefined ? user : undefined,
    delegationToken: options.delegationToken,
    timeoutMs: positive('timeoutMs', options.timeoutMs ?? 60_000),
    retries: positive('retries', options.retries ?? 6, 0),
    shown: `${scheme}://${authority}${prefix === apiPrefix ? '' : prefix}${basePath}`,
  }
}

function checkHost(host: string, url: string): void {
  const parsed = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined
  if (parsed && parsed.pathname === '/' && parsed.search === '' && parsed.username === '') return
  throw invalid(`"${host}" in ${url} is no host and port`)
}

/** What comes before the API, for gateways, and the path in HDFS. */
function splitPath(path: string, url: string): { prefix: string; basePath: string } {
  const api = path.indexOf(apiPrefix)
  const prefix = api < 0 ? apiPrefix : path.slice(0, api + apiPrefix.length)
  const encoded = api < 0 ? path : path.slice(prefix.length)
  const parts = encoded.split('/').filter((part) => part !== '')
  let decoded: string[]
  try {
    decoded = parts.map((part) => decodeURIComponent(part))
  } catch {
    throw invalid(`the path of ${url} is not percent-encoded as it should be`)
  }
  const bad = decoded.find((part) => part === '.' || part === '..' || /[:\0/]/.test(part))
  if (bad !== undefined) throw invalid(`"${bad}" in ${url} cannot be a name in HDFS`)
  return { prefix, basePath: decoded.map((part) => `/${part}`).join('') }
}

function userOfProcess(): string | undefined {
  try {
    return os.userInfo().username
  } catch {
    // A container may run as a number without a name.
    return undefined
  }
}

function positive(name: string, value: number, least = 1): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw invalid(`\`${name}\` must be a whole number from ${least}, not ${value}`)
}

function invalid(message: string): LoaderError {
  return new LoaderError('KFK_LOADER_INVALID_ARGUMENT', message)
}
