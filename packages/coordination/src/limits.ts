import { CoordinationError } from './coordination-error.js'
import type { CompareAndSet, SessionOptions } from './coordination.js'

/**
 * Longest key, in characters (all ASCII): room for a group id of 255 characters, each written as
 * %XX.
 */
export const MAX_KEY_LENGTH = 1024
/**
 * Default bound of a value in UTF-8 bytes: the assignment of a group of about ten thousand members.
 */
export const DEFAULT_MAX_VALUE_BYTES = 1024 * 1024
/** Shortest time to live, ms: renewals every third of it must stay apart from timer resolution. */
export const MIN_TTL_MS = 10
/** Longest time to live, ms: a dead owner is noticed within a day whatever was configured. */
export const MAX_TTL_MS = 86_400_000

const keyPattern = /^[A-Za-z0-9._~!*'()%-]+(?:\/[A-Za-z0-9._~!*'()%-]+)*$/
const prefixPattern = /^[A-Za-z0-9._~!*'()%/-]*$/
const loneSurrogate = /\p{Surrogate}/u

function invalid(message: string, details: Record<string, unknown> = {}): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_INVALID_VALUE', message, { details })
}

/** Callers in JavaScript pass anything. */
function excerpt(argument: unknown): string {
  return String(argument).slice(0, 100)
}

/** Throws `KFK_COORDINATION_INVALID_VALUE` unless `key` is within the limits of the interface. */
export function checkKey(key: string): void {
  if (typeof key !== 'string' || key.length > MAX_KEY_LENGTH || !keyPattern.test(key)) {
    throw invalid(
      'a key is 1 to 1024 characters of A-Z a-z 0-9 . _ ~ ! * \' ( ) % - in segments joined by "/"',
      {
        key: excerpt(key),
      },
    )
  }
}

/** Throws `KFK_COORDINATION_INVALID_VALUE` unless `prefix` could begin a key. */
export function checkPrefix(prefix: string): void {
  if (typeof prefix !== 'string' || prefix.length > MAX_KEY_LENGTH || !prefixPattern.test(prefix)) {
    throw invalid('a prefix is at most 1024 of the characters that keys have', {
      prefix: excerpt(prefix),
    })
  }
}

/**
 * Throws `KFK_COORDINATION_INVALID_VALUE` unless `value` is a well-formed string within the bound.
 */
export function checkValue(value: string, maxValueBytes = DEFAULT_MAX_VALUE_BYTES): void {
  if (typeof value !== 'string' || loneSurrogate.test(value)) {
    throw invalid('a value is a string without lone surrogates')
  }
  const bytes = Buffer.byteLength(value)
  if (bytes > maxValueBytes) {
    throw invalid(`a value has at most ${maxValueBytes} bytes in UTF-8, this one has ${bytes}`, {
      bytes,
      maxValueBytes,
    })
  }
}

/** Checks the options of `openSession`. */
export function checkSessionOptions(options: SessionOptions, maxValueBytes?: number): void {
  checkKey(options.key)
  checkValue(options.value, maxValueBytes)
  const { ttlMs } = options
  if (!Number.isInteger(ttlMs) || ttlMs < MIN_TTL_MS || ttlMs > MAX_TTL_MS) {
    throw invalid(`ttlMs is an integer from ${MIN_TTL_MS} to ${MAX_TTL_MS}`, { ttlMs })
  }
}

/** Checks the arguments of `compareAndSet`. */
export function checkCompareAndSet(
  key: string,
  change: CompareAndSet,
  maxValueBytes?: number,
): void {
  checkKey(key)
  if (change.value !== null) checkValue(change.value, maxValueBytes)
  if (!Number.isSafeInteger(change.expectedVersion) || change.expectedVersion < 0) {
    throw invalid('expectedVersion is an integer >= 0', { expectedVersion: change.expectedVersion })
  }
}
