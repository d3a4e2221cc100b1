/**
 * A two-way stream of messages between two processes: in order, none lost. It may stall (the other
 * side is stopped), and it may end for good. Messages are what JSON can carry.
 */
export interface Channel {
  /** Never throws; after the end it does nothing. */
  send(message: object): void
  /** Called for every message, one after the other. */
  onMessage(listener: (message: unknown) => void): void
  /** Called once when the channel has ended; at once if it has. */
  onEnd(listener: () => void): void
}

/** What `process` and a child of `child_process.fork` have in common. */
export interface IpcEndpoint {
  readonly connected: boolean
  send?(message: object, sent: (error: Error | null) => void): boolean
  disconnect?(): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  once(event: 'disconnect', listener: () => void): unknown
}

/** Messages that may wait for a process that does not take them. */
const MAX_WAITING = 10_000

/**
 * The channel that Node opens between a process and one that it forks. Ends when either process
 * does, and when the other side leaves thousands of messages waiting.
 */
export function ipcChannel(endpoint: IpcEndpoint): Channel {
  let waiting = 0
  return {
    send(message) {
      if (!endpoint.connected) return
      waiting += 1
      // The callback takes errors too: an end is told by the event.
      endpoint.send?.(message, () => (waiting -= 1))
      if (waiting > MAX_WAITING) endpoint.disconnect?.()
    },
    onMessage: (listener) => void endpoint.on('message', listener),
    onEnd(listener) {
      if (endpoint.connected) endpoint.once('disconnect', listener)
      else queueMicrotask(listener)
    },
  }
}
