import { isFailedWrite, type StoreError } from './errors.js'
import type { LogHost } from './log-host.js'

type Poisonable = Pick<LogHost, 'poisoned' | 'poison'>

/** What to throw for a change that is half done: only what passes leaves the directory writable. */
export function poisonUnlessItPasses(host: Poisonable, failure: StoreError): StoreError {
  // What may be tried again must never be said of a poisoned directory.
  return failure.retriable && host.poisoned === undefined ? failure : host.poison(failure)
}

/** What to throw when a file could not be replaced; that it cannot be read is no failed write. */
export function poisonIfWriteFailed(host: Poisonable, failure: StoreError): StoreError {
  if (failure.retriable) return poisonUnlessItPasses(host, failure)
  return isFailedWrite(failure) ? host.poison(failure) : failure
}
