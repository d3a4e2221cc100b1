import { Buffer } from 'node:buffer'

/**
 * A longer line is no access log's; it is handed out as undefined, and its bytes are dropped as
 * they come.
 */
export const maxLineBytes = 64 * 1024

const newline = 0x0a
const carriageReturn = 0x0d

/**
 * Splits a byte stream into lines (LF or CRLF), in memory that does not depend on the length of any
 * line. A line longer than {@link maxLineBytes} comes out as undefined.
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<string | undefined, void, undefined> {
  let kept: Uint8Array[] = []
  let keptBytes = 0
  const take = (rest: Uint8Array): string | undefined => {
    const total = keptBytes + rest.length
    const line = total > maxLineBytes ? undefined : Buffer.concat([...kept, rest])
    kept = []
    keptBytes = 0
    if (line === undefined) return undefined
    return line.toString('utf8', 0, line.at(-1) === carriageReturn ? line.length - 1 : line.length)
  }
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      yield take(chunk.subarray(start, end))
      start = end + 1
    }
    const tail = chunk.subarray(start)
    keptBytes += tail.length
    if (keptBytes <= maxLineBytes) kept.push(tail)
    else kept = []
  }
  if (keptBytes > 0) yield take(new Uint8Array(0))
}
