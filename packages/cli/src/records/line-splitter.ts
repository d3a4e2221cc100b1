import { failure } from '../errors.js'

/**
 * Longest line: a broker takes no record of this size, and an endless line must not fill the
 * memory.
 */
export const maxLineBytes = 16 * 1024 * 1024

const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Lines of a byte stream without their ends (`\n`, `\r\n`), as bytes: values need not be text. A
 * last line without an end counts.
 * @throws CliError for a line beyond {@link maxLineBytes}
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<Buffer, void, undefined> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let line = 1
  for await (const chunk of chunks) {
    let rest = typeof chunk === 'string' ? Buffer.from(chunk) : asBuffer(chunk)
    for (let end = rest.indexOf(lineFeed); end >= 0; end = rest.indexOf(lineFeed)) {
      pending.push(rest.subarray(0, end))
      yield withoutReturn(pending)
      pending = []
      pendingBytes = 0
      line += 1
      rest = rest.subarray(end + 1)
    }
    pending.push(rest)
    pendingBytes += rest.length
    if (pendingBytes > maxLineBytes) {
      throw failure(`line ${line} is longer than ${maxLineBytes} bytes`)
    }
  }
  if (pendingBytes > 0) yield withoutReturn(pending)
}

function withoutReturn(parts: readonly Buffer[]): Buffer {
  const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
