import type { CoordinationError } from './coordination-error.js'

/**
 * Who is alive, and who holds what: sessions that expire, versioned values with compare-and-set,
 * list, watch and leases.
 *
 * **What it is not.** The truth about records, offsets, topics and leader epochs is in logs. A
 * remote adapter may lose what it acknowledged (a server restarted without its last second,
 * emptied, or restored from an older copy), so whatever is kept here must be derivable from a log
 * or republished by its owner. Nothing may become unsafe when this state vanishes.
 *
 * **Atomicity.** Each method is one atomic step over the whole state; steps have a total order, and
 * `version` numbers that order: every change of anything takes the next version, so a key that was
 * deleted and created again never shows a version twice. When a call rejects with
 * `KFK_COORDINATION_UNAVAILABLE` the step may or may not have happened.
 *
 * **Fencing.** Each new session and each new lease takes the next epoch of one counter: the epochs
 * of a key grow with each holder and never repeat within the adapter's state. Whoever acts on a
 * session's or lease's authority hands it to `compareAndSet`, which refuses a stale one in the same
 * atomic step. Outside this interface the receiver of a command compares epochs itself. With a
 * remote adapter epochs may go back when the server loses state; `sessionId` never repeats.
 *
 * **Expiry.** A session ends when the adapter has not heard from its owner for `ttlMs`, by the
 * adapter's own (the server's) clock: not before `ttlMs` after the last renewal that succeeded, and
 * soon after. `Session.live` turns false on the owner's side no later than `ttlMs` after that
 * renewal was *sent*, whether or not the server can be reached. A process that was paused can still
 * believe itself alive for one step: that is what the epoch is for.
 *
 * **Loss of the server's state.** When a remote server restarts, fails over, is emptied or rolled
 * back, watchers get `onGap` and sessions whose entry or lease is gone get `onLost`. The owner then
 * opens a new session and publishes its plain values again.
 *
 * **Limits.** Keys: 1 to 1024 characters, segments of `A-Z a-z 0-9 . _ ~ ! * ' ( ) % -` joined by
 * `/` (so what `encodeURIComponent` gives is a valid segment). Prefixes: the same characters, may
 * be empty or end anywhere. Values: strings of at most `maxValueBytes` (default 1 MiB) in UTF-8,
 * without lone surrogates. Time to live: 10 ms to one day. Otherwise
 * `KFK_COORDINATION_INVALID_VALUE`.
 *
 * **Errors.** Every method rejects with a `CoordinationError` only. After `close()`:
 * `KFK_COORDINATION_CLOSED`. Every call of a remote adapter ends within its call timeout.
 */
export interface Coordination {
  /** Which adapter this is, for log lines: `memory`, `file`, `redis`. */
  readonly name: string

  /**
   * Creates an ephemeral entry at `options.key` that lives as long as the session. The adapter
   * renews it every `ttlMs / 3` by itself while it is open.
   *
   * `KFK_COORDINATION_EXISTS` when a live session, a lease or a plain value is at the key. With
   * `replace`, a live session of another owner is ended in the same step (its owner gets `onLost`
   * with `KFK_COORDINATION_FENCED`, its leases go); leases and plain values are not replaced.
   */
  openSession(options: SessionOptions): Promise<Session>

  /**
   * The entry at `key`, or undefined. Linearizable: it sees every step that ended before the call.
   */
  get(key: string): Promise<Entry | undefined>

  /** All entries whose key begins with `prefix`, sorted by key; one consistent snapshot. */
  list(prefix: string): Promise<Entry[]>

  /**
   * Writes or deletes a plain (not ephemeral) value if nobody has changed it since
   * `expectedVersion` was read. Resolves, once it is as durable as the adapter makes it, to the new
   * entry, or to null after a deletion. Deleting what is absent with `expectedVersion: 0` succeeds
   * and changes nothing.
   *
   * Refusals, in the order of the checks: `KFK_COORDINATION_FENCED` when `session` is given and is
   * not the current, live holder of its key; `KFK_COORDINATION_EXISTS` when the key belongs to a
   * session or lease (use their `update`); `KFK_COORDINATION_CONFLICT` when the version is another
   * (`details.actualVersion`, 0 when absent).
   */
  compareAndSet(key: string, change: CompareAndSet): Promise<Entry | null>

  /**
   * Reports the changes of keys that begin with `prefix`, made after the promise resolved (and
   * perhaps some made shortly before). For a complete view call `watch` first and `list` when it
   * has resolved; drop changes whose version is not above what you hold for that key.
   *
   * `onChange` is called outside of any call into the adapter, with at least one change, in the
   * order of versions. No key's latest change is left out, unless `onGap` says so; earlier changes
   * of the same key may be. It must not throw.
   *
   * `onGap`: from here events may be missing, and versions may even have gone back (a server that
   * lost its state). List again and replace the whole view; owners of values publish again what is
   * missing. Events after `onGap` was called are complete again.
   *
   * `signal` closes the watch as `close()` does; no callback is called afterwards.
   */
  watch(prefix: string, options: WatchOptions): Promise<Watch>

  /**
   * Makes `options.session` the holder of `key`, as an ephemeral entry that ends with the session
   * or by `release`.
   *
   * `KFK_COORDINATION_EXISTS` when another session holds it or another kind of entry is there;
   * nobody is queued: watch the key and try again. `KFK_COORDINATION_FENCED` when the session is
   * not live. A session that holds the lease already gets the same epoch again, and the value is
   * replaced: so the call can be repeated after `KFK_COORDINATION_UNAVAILABLE`.
   */
  acquireLease(key: string, options: { session: Session; value: string }): Promise<Lease>

  /**
   * Ends this adapter's sessions (without `onLost`) and watches, and gives its resources back.
   * Never rejects; idempotent. Entries that the server could not be told about go when their time
   * to live ends. Calls in flight reject with `KFK_COORDINATION_CLOSED`.
   */
  close(): Promise<void>
}

/** One key and what it holds. */
export interface Entry {
  readonly key: string
  readonly value: string
  /** Number of the step that wrote it, >= 1. */
  readonly version: number
  /** Fencing epoch of the session or lease that the entry belongs to; absent for plain values. */
  readonly epoch?: number
}

/** A step seen by a watch: `entry` is absent when the key was deleted or its session ended. */
export interface Change {
  readonly key: string
  /** Number of the step; equals `entry.version` when there is an entry. */
  readonly version: number
  readonly entry?: Entry
}

export interface SessionOptions {
  readonly key: string
  readonly value: string
  /** Milliseconds without renewal after which the session ends; renewed every third of it. */
  readonly ttlMs: number
  /** Ends a live session of another owner at this key. Default false. */
  readonly replace?: boolean
  /**
   * Called once if the session ends without its owner's doing: `KFK_COORDINATION_FENCED` when
   * another has taken its key, `KFK_COORDINATION_SESSION_EXPIRED` otherwise. Never inside a call
   * into the adapter. It must not throw.
   */
  readonly onLost?: (reason: CoordinationError) => void
}

/** Proof of being the present holder of `key`. */
export interface Holding {
  readonly key: string
  /** Fencing epoch; grows with every holder of this key. */
  readonly epoch: number
  /**
   * Identity of the session, random and never used again: guards against epochs that a server which
   * lost its state hands out twice.
   */
  readonly sessionId: string
  /** False once closed, released, lost, or not renewed for the time to live. */
  readonly live: boolean
  /**
   * Replaces the entry's value. `KFK_COORDINATION_FENCED` or `KFK_COORDINATION_SESSION_EXPIRED`
   * when no longer the holder, `KFK_COORDINATION_CLOSED` after close or release.
   */
  update(value: string): Promise<void>
}

export interface Session extends Holding {
  /**
   * Removes the entry and the session's leases. Never rejects; idempotent; `onLost` is not called.
   */
  close(): Promise<void>
}

export interface Lease extends Holding {
  /** Gives the key up. Never rejects; idempotent. */
  release(): Promise<void>
}

export interface CompareAndSet {
  /** Version that the caller read; 0: the key must be absent. */
  readonly expectedVersion: number
  /** New value; null deletes. */
  readonly value: string | null
  /** Session or lease that must still be the current one for the step to happen. */
  readonly session?: Holding
}

export interface WatchOptions {
  readonly onChange: (changes: readonly Change[]) => void
  /** Leave it out only where a missed change cannot matter. */
  readonly onGap?: () => void
  readonly signal?: AbortSignal
}

export interface Watch {
  /** Ends the watch; idempotent. */
  close(): void
}
