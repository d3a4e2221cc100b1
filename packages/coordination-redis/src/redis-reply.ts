import { checkKey, checkValue, CoordinationError, type Entry } from '@kfk/coordination'

/*
 * What the server says is untrusted: it may be written by others, evicted in part, or another
 * program's. Everything is checked here and refused with KFK_COORDINATION_INVALID_VALUE; nothing of
 * it is evaluated.
 */

/** An answer of a script. */
export interface ScriptReply {
  readonly status: string
  /** Number of the latest step. */
  readonly version: number
  /** Latest epoch given out. */
  readonly epoch: number
  /** Changes whenever the server's state began anew. */
  readonly instance: string
  /** The script's own results. */
  readonly rest: readonly string[]
}

/** A line of the stream of changes. */
export interface FeedEvent {
  readonly version: number
  readonly instance: string
  readonly key: string
  readonly deleted: boolean
}

// Keeps a byte order mark, refuses what is not UTF-8.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Refuses damaged state. */
export function damaged(what: string, details: Record<string, unknown> = {}): CoordinationError {
  return new CoordinationError(
    'KFK_COORDINATION_INVALID_VALUE',
    `what the server returned is damaged: ${what}`,
    { details },
  )
}

/** A number as the scripts write it. */
export function toNumber(text: string | undefined): number {
  const number = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(number)) throw damaged('a number is expected')
  return number
}

export function parseScriptReply(reply: unknown): ScriptReply {
  if (!Array.isArray(reply)) throw damaged('a list is expected')
  const [status, version, epoch, instance, ...rest] = reply.map(toText)
  if (status === undefined || instance === undefined) throw damaged('an answer is too short')
  checkInstance(instance)
  return { status, version: toNumber(version), epoch: toNumber(epoch), instance, rest }
}

/** Reads `<version> <epoch> <session id>\n<value>`. */
export function parseEntry(key: string, stored: string, maxValueBytes: number): Entry {
  const match = /^(\d{1,16}) (\d{1,16}) (\S{1,64})\n/.exec(stored)
  if (!match) throw damaged('an entry is expected', { key: key.slice(0, 100) })
  checkKey(key)
  const value = stored.slice(match[0].length)
  checkValue(value, maxValueBytes)
  const version = toNumber(match[1])
  const epoch = toNumber(match[2])
  if (version === 0 || (epoch === 0) !== (match[3] === '-')) throw damaged('an entry', { key })
  return Object.freeze(epoch === 0 ? { key, value, version } : { key, value, version, epoch })
}

/** Reads what XREAD returns for one stream; null is no news. */
export function parseFeed(reply: unknown): FeedEvent[] {
  if (reply === null) return []
  const lines: unknown = Array.isArray(reply) && Array.isArray(reply[0]) ? reply[0][1] : undefined
  if (!Array.isArray(lines)) throw damaged('a stream is expected')
  return lines.map((line: unknown) => {
    if (!Array.isArray(line) || !Array.isArray(line[1])) throw damaged('a change is expected')
    const id = /^(\d{1,16})-1$/.exec(toText(line[0]))
    const fields = new Map<string, string>()
    const texts = line[1].map(toText)
    for (let index = 0; index + 1 < texts.length; index += 2) {
      fields.set(texts[index]!, texts[index + 1]!)
    }
    const key = fields.get('k') ?? ''
    const instance = fields.get('i') ?? ''
    const kind = fields.get('t')
    if (kind !== 'p' && kind !== 'd') throw damaged('a change is expected')
    checkKey(key)
    checkInstance(instance)
    return { version: toNumber(id?.[1]), instance, key, deleted: kind === 'd' }
  })
}

function toText(item: unknown): string {
  if (item === null) return ''
  if (typeof item === 'string') return item
  if (!(item instanceof Uint8Array)) throw damaged('text is expected')
  try {
    return decoder.decode(item)
  } catch {
    throw damaged('text is not UTF-8')
  }
}

function checkInstance(instance: string): void {
  if (!/^[0-9a-f]{16}$/.test(instance)) throw damaged('an instance is expected')
}
