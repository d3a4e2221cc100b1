import { frameFormat } from '../../src/index'
import type { EmbeddedRecord, Frame, Log, LogDamage } from '../../src/index'
import { damageError } from '../../src/quarantine'

/** A frame that says which record it is. */
export function record(text: string, timestamp = 1000): Uint8Array {
  return frameFormat.encode(Buffer.from(text), { timestamp })
}

/** All records that can be read, by offset, walking from the log start in small reads. */
export async function readAll(log: Log, maxBytes = 300): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  let from = log.logStartOffset
  while (from < log.writtenOffset) {
    const slice = await log.read({ from, maxBytes })
    if (slice.bytes.length === 0) throw new Error(`nothing to read at ${from}`)
    for (const frame of frameFormat.decode(slice.bytes)) {
      if (frame.offset >= from) found.set(frame.offset, Buffer.from(frame.value).toString())
    }
    from = slice.nextOffset
  }
  return found
}

/**
 * The same as whoever decodes reads: what does not match its checksum makes the log look again.
 * Answers what was read before the first error, and that.
 */
export async function readVerified(
  log: Log,
  maxBytes = 300,
): Promise<{ found: Map<number, string>; error: unknown }> {
  const found = new Map<number, string>()
  try {
    let from = log.logStartOffset
    let damage: LogDamage | undefined
    while (from < log.writtenOffset) {
      if (damage !== undefined && from >= damage.offset) throw damageError(damage)
      const slice = await log.read({ from, maxBytes, ...(damage && { maxOffset: damage.offset }) })
      let frames: Frame[]
      try {
        frames = frameFormat.decode(slice.bytes)
      } catch (error) {
        damage = await log.verify(from)
        if (damage === undefined) throw error
        continue
      }
      if (frames.length === 0) throw new Error(`nothing to read at ${from}`)
      for (const frame of frames) {
        if (frame.offset >= from) found.set(frame.offset, Buffer.from(frame.value!).toString())
      }
      from = slice.nextOffset
    }
    return { found, error: undefined }
  } catch (error) {
    return { found, error }
  }
}

/** Lets everything that is ready run, timers apart. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const textOf = (record: EmbeddedRecord) => Buffer.from(record.value).toString()

/** The texts of the first `count` records; all, when nothing is said. */
export async function collect(
  records: AsyncIterable<EmbeddedRecord>,
  count = Number.MAX_SAFE_INTEGER,
): Promise<string[]> {
  const found: string[] = []
  for await (const record of records) {
    found.push(textOf(record))
    if (found.length === count) break
  }
  return found
}
