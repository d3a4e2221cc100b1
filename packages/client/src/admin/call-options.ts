/** Options that every admin call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /**
   * Bound of the whole call with its retries, in milliseconds. Default 60000
   * (`default.api.timeout.ms`).
   */
  readonly timeoutMs?: number | undefined
}

/** `default.api.timeout.ms` */
export const defaultCallTimeoutMs = 60_000
