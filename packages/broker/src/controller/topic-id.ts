import { ZERO_UUID } from '@kfk/protocol'

const UUID = /^[A-Za-z0-9_-]{21}[AQgw]$/

/**
 * Whether text is a topic id: 16 bytes as 22 characters of base64url in canonical form, and not all
 * zero.
 */
export function isTopicId(text: unknown): text is string {
  return typeof text === 'string' && UUID.test(text) && text !== ZERO_UUID
}

/** A random (version 4) id. None begins with '-', which tools would take for an option. */
export function newTopicId(randomBytes: (count: number) => Uint8Array): string {
  for (;;) {
    const bytes = Buffer.from(randomBytes(16))
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const id = bytes.toString('base64url')
    if (!id.startsWith('-')) return id
  }
}
