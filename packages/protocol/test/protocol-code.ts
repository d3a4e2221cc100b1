import { ProtocolError } from '@kfk/protocol'

/** The code of the `ProtocolError` that `run` throws, or 'no error'; any other error goes on. */
export function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return 'no error'
}
