import type { CoordinationErrorCode } from '../coordination-error.js'
import type { Change, Entry } from '../coordination.js'
import type { Holder } from '../coordination-state.js'

/** Each step of the shared state, as a call: its arguments and what it answers. */
export interface Calls {
  get: [args: { key: string }, result: Entry | null]
  list: [args: { prefix: string }, result: Entry[]]
  compareAndSet: [
    args: { key: string; expectedVersion: number; value: string | null; session?: Holder },
    result: Entry | null,
  ]
  openSession: [
    args: { id: string; key: string; value: string; ttlMs: number; replace: boolean },
    result: number,
  ]
  /** False: the session has ended. */
  renew: [args: { id: string }, result: boolean]
  endSession: [args: { id: string }, result: null]
  update: [args: { holder: Holder; value: string }, result: null]
  acquireLease: [args: { key: string; session: Holder; value: string }, result: number]
  releaseLease: [args: { holder: Holder }, result: null]
  /** Ends all sessions of the caller; nothing is told to it any more. */
  leave: [args: object, result: null]
}

export type CallName = keyof Calls
export type ArgsOf<Name extends CallName> = Calls[Name][0]
export type ResultOf<Name extends CallName> = Calls[Name][1]

/** Other messages of a channel are none of ours. */
const MARK = 'kfk.coordination'

export interface CallMessage<Name extends CallName = CallName> {
  readonly of: typeof MARK
  readonly id: number
  readonly call: Name
  readonly args: ArgsOf<Name>
}

export interface SentError {
  readonly code: CoordinationErrorCode
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** What the side with the state says: an answer, what has changed, or which session has ended. */
export type ToldMessage = { readonly of: typeof MARK } & (
  | { readonly id: number; readonly result: unknown; readonly error?: undefined }
  | { readonly id: number; readonly error: SentError }
  | { readonly changes: readonly Change[] }
  | { readonly ended: string; readonly fenced: boolean }
)

export function callMessage<Name extends CallName>(
  id: number,
  call: Name,
  args: ArgsOf<Name>,
): CallMessage<Name> {
  return { of: MARK, id, call, args }
}

type Untold<M> = M extends unknown ? Omit<M, 'of'> : never

export function toldMessage(message: Untold<ToldMessage>): ToldMessage {
  return { of: MARK, ...message }
}

export function isCallMessage(message: unknown): message is CallMessage {
  return isOurs(message) && 'call' in message
}

export function isToldMessage(message: unknown): message is ToldMessage {
  return isOurs(message) && !('call' in message)
}

function isOurs(message: unknown): message is object {
  return typeof message === 'object' && message !== null && 'of' in message && message.of === MARK
}
