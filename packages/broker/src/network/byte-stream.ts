/** One client's two-way stream of bytes, over a socket or within the process. */
export interface ByteStream {
  /** Where the client is, for reports: `127.0.0.1:50312`. */
  readonly peer: string
  /** Bytes written that have not left yet. */
  readonly unsentBytes: number
  /**
   * Writes the chunks in order. They must not change until they are sent. `onSent` is told of that,
   * but for a stream that hands them on as they are: then nobody knows when they are of no use.
   */
  write(chunks: readonly Uint8Array[], onSent?: (chunks: readonly Uint8Array[]) => void): void
  pause(): void
  resume(): void
  /** Closes at once: what is unsent is dropped. `onclose` follows. */
  destroy(): void
  /** Closes after what has been written is sent. `onclose` follows. */
  end(): void
  /**
   * Set by the receiver. A chunk belongs to it from then on; one that is `borrowed` only until the
   * call returns.
   */
  ondata: (chunk: Uint8Array, borrowed: boolean) => void
  /**
   * Set by the receiver: memory to put the next bytes into, instead of a chunk. A stream need not
   * ask. It tells of them by `onfilled`, before it asks again.
   */
  space: () => Uint8Array | undefined
  onfilled: (byteCount: number) => void
  /** Everything that was written has left. */
  ondrain: () => void
  /** Called once. No other call follows. */
  onclose: () => void
}
