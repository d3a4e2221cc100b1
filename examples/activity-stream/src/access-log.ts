/**
 * Lines of an access log in Apache's "combined" format:
 *
 *     83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 203023 "http://x/" "Mozilla/5.0 ..."
 *     host ident user [time] "request" status bytes "referrer" "user agent"
 */

/** One request as the log has it. `-` in the log is null here. */
export interface AccessLogEntry {
  readonly visitor: string
  readonly user: string | null
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly method: string
  readonly path: string
  readonly protocol: string
  readonly status: number
  /** Size of the answer's body; null when nothing was sent. */
  readonly bytes: number | null
  readonly referrer: string | null
  readonly userAgent: string | null
}

/** What is wrong with a line, in words that can be counted: the same fault gives the same words. */
export class Rejected extends Error {}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/**
 * Parses one line, without its line end.
 * @throws Rejected with the first thing that is wrong
 */
export function parseAccessLogLine(line: string): AccessLogEntry {
  if (line.trim() === '') throw new Rejected('empty line')
  const cursor = new LineCursor(line)
  const visitor = cursor.word('visitor address')
  cursor.word('ident')
  const user = cursor.word('user')
  const timeMs = parseTime(cursor.between('[', ']', 'time'))
  const request = cursor.quoted('request')
  const status = cursor.word('status')
  const bytes = cursor.word('bytes')
  const referrer = cursor.quoted('referrer')
  const userAgent = cursor.quoted('user agent')
  cursor.end()
  if (!/^[1-5]\d\d$/.test(status)) throw new Rejected('status is not a number from 100 to 599')
  if (!/^(\d{1,15}|-)$/.test(bytes)) throw new Rejected('bytes is neither a number nor -')
  const parts = /^([A-Z][A-Z-]*) (\S+) (HTTP\/\d(?:\.\d)?)$/.exec(request)
  if (!parts) throw new Rejected('request is not METHOD path HTTP/version')
  return {
    visitor,
    user: user === '-' ? null : user,
    timeMs,
    method: parts[1]!,
    path: parts[2]!,
    protocol: parts[3]!,
    status: Number(status),
    bytes: bytes === '-' ? null : Number(bytes),
    referrer: referrer === '-' ? null : referrer,
    userAgent: userAgent === '-' ? null : userAgent,
  }
}

/** `17/May/2015:10:05:03 +0000`; impossible dates such as 31/Feb are refused, not moved. */
function parseTime(text: string): number {
  const match = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/.exec(
    text,
  )
  const month = match ? months.indexOf(match[2]!) : -1
  if (!match || month < 0) throw new Rejected('time is not dd/Mon/yyyy:hh:mm:ss +hhmm')
  const [day, year, hour, minute, second] = [1, 3, 4, 5, 6].map((group) => Number(match[group]))
  const local = Date.UTC(year!, month, day, hour, minute, second)
  const back = new Date(local)
  if (back.getUTCDate() !== day || hour! > 23 || minute! > 59 || second! > 59) {
    throw new Rejected('time does not exist')
  }
  const offsetMinutes = Number(match[8]) * 60 + Number(match[9])
  return local - (match[7] === '-' ? -1 : 1) * offsetMinutes * 60_000
}

/** Takes fields off a line from the left. */
class LineCursor {
  private position = 0

  constructor(private readonly line: string) {}

  word(what: string): string {
    const end = this.line.indexOf(' ', this.position)
    const word = this.line.slice(this.position, end < 0 ? undefined : end)
    if (word === '') throw new Rejected(`no ${what}`)
    this.position += word.length + 1
    return word
  }

  between(open: string, close: string, what: string): string {
    if (this.line[this.position] !== open) throw new Rejected(`no ${what}`)
    const end = this.line.indexOf(close, this.position)
    if (end < 0) throw new Rejected(`${what} has no closing ${close}`)
    const text = this.line.slice(this.position + 1, end)
    this.position = end + 2
    return text
  }

  /** Apache writes a quote or backslash inside the field as `\"` and `\\`. */
  quoted(what: string): string {
    if (this.line[this.position] !== '"') throw new Rejected(`no ${what}`)
    for (let at = this.position + 1; at < this.line.length; at++) {
      if (this.line[at] === '\\') at += 1
      else if (this.line[at] === '"') {
        const text = this.line.slice(this.position + 1, at)
        this.position = at + 2
        return text.replace(/\\(["\\])/g, '$1')
      }
    }
    throw new Rejected(`${what} has no closing quote`)
  }

  end(): void {
    if (this.position < this.line.length) throw new Rejected('something follows the user agent')
  }
}
