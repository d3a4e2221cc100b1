import { ipcChannel, type Channel } from '@kfk/coordination'
import { usageError } from '../errors.js'
import type { CliIo } from '../io.js'

/** A broker says it to the process that started it, once it serves. */
export interface Listening {
  readonly kfk: 'listening'
  readonly port: number
  /** `HOST:PORT` that clients are told. */
  readonly advertised: string
  readonly clusterId: string
}

/** What that process says to end a broker in good order. */
export interface StopRequest {
  readonly kfk: 'stop'
}

/** A broker's line to the process that started it and looks after it. */
export interface Supervision {
  readonly channel: Channel
  /** Fires when the broker is to end: it is told to, or nobody looks after it any more. */
  readonly signal: AbortSignal
  tell(message: Listening): void
  /** Gives the channel up, which would keep the process. */
  end(): void
}

/**
 * @throws CliError when this process was not started by `kfk broker --processes`
 */
export function supervision(io: CliIo): Supervision {
  const { ipc } = io
  if (ipc === undefined) throw usageError('--supervised is for `kfk broker --processes` alone')
  const channel = ipcChannel(ipc)
  const stop = new AbortController()
  channel.onMessage((message) => {
    if (isMessage(message, 'stop')) stop.abort(new Error('told to stop'))
  })
  channel.onEnd(() => stop.abort(new Error('the process that looks after this one has ended')))
  return {
    channel,
    signal: stop.signal,
    tell: (message) => channel.send(message),
    end() {
      if (ipc.connected) ipc.disconnect?.()
    },
  }
}

/** Whether it is that message; other things go over the same channel. */
export function isMessage<Kind extends 'listening' | 'stop'>(
  message: unknown,
  kind: Kind,
): message is Extract<Listening | StopRequest, { kfk: Kind }> {
  return typeof message === 'object' && message !== null && 'kfk' in message && message.kfk === kind
}
