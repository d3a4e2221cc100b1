import { ClientError } from '@kfk/client'
import { prepareCompression } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'

/**
 * Loads what a compression needs, once, before the first batch is built.
 * Rejects with ClientError KFK_CLIENT_INVALID_ARGUMENT when this machine cannot do it.
 */
export function codecLoader(compression: CompressionType): () => Promise<void> {
  let loaded: Promise<void> | undefined
  const load = async (): Promise<void> => {
    try {
      if (compression !== 'none') await prepareCompression(compression)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `Compression '${compression}' cannot be used: ${reason}`
      throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message, { cause })
    }
  }
  return () => (loaded ??= load())
}
