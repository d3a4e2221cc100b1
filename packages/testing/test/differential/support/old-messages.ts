import { gzipSync } from 'node:zlib'
import { crc32 } from 'node:zlib'
import { baseTime } from './batches'

/** A message of format 0 or 1, with its offset and size. */
function message(magic: 0 | 1, options: { attributes?: number; value?: Uint8Array } = {}): Buffer {
  const { attributes = 0, value = Buffer.from('v') } = options
  const time = Buffer.alloc(magic === 1 ? 8 : 0)
  if (magic === 1) time.writeBigInt64BE(BigInt(baseTime))
  const lengths = Buffer.alloc(8)
  lengths.writeInt32BE(-1, 0)
  lengths.writeInt32BE(value.length, 4)
  const content = Buffer.concat([Buffer.from([magic, attributes]), time, lengths, value])
  const front = Buffer.alloc(16)
  front.writeInt32BE(content.length + 4, 8)
  front.writeUInt32BE(crc32(content) >>> 0, 12)
  return Buffer.concat([front, content])
}

/** What producers sent before record batches. */
export const oldMessages: Readonly<Record<string, Uint8Array>> = {
  'format 0': message(0),
  'format 1': message(1),
  'two of format 1': Buffer.concat([message(1), message(1)]),
  'format 1 with gzip': message(1, { attributes: 1, value: gzipSync(message(1)) }),
}
