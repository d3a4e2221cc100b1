/** What the store needs to know of a batch. Offsets and timestamps (ms) are safe integers. */
export interface BatchSummary {
  /** Whole size on disk, header included. */
  readonly sizeInBytes: number
  readonly baseOffset: number
  /** Offset of the last record; at least `baseOffset`. */
  readonly lastOffset: number
  /** Largest record timestamp in ms, -1 when there is none. */
  readonly maxTimestamp: number
  /** Leader epoch stamped at append, -1 when unknown. */
  readonly leaderEpoch: number
  readonly recordCount: number
}

/** One record as retention by key and timestamp search see it. */
export interface RecordSummary {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly tombstone: boolean
}

/** Producer fields of a batch (idempotence and transactions). */
export interface ProducerSummary {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly transactional: boolean
  /** The batch is a transaction marker; `other`: control records of another kind, or none left. */
  readonly control?: 'commit' | 'abort' | 'other'
  /** With a marker: of the transaction coordinator that wrote it. */
  readonly coordinatorEpoch?: number
}

/** One record during compaction. The object and its bytes are used again for the next record. */
export interface RecordView {
  readonly offset: number
  /** The key lies in these bytes, from `keyAt` on. */
  readonly source: Uint8Array
  readonly keyAt: number
  /** -1: no key. */
  readonly keyLength: number
  /** Deletes its key. */
  readonly tombstone: boolean
}

/** What compaction wants of a batch. */
export interface RewriteRules {
  keep(record: RecordView): boolean
  /**
   * Tombstones that stay get this as the time from which they may go, in ms, unless they have one.
   * Undefined: none is given.
   */
  readonly deleteHorizonMs: number | undefined
  /** The batch gets a delete horizon also without a tombstone, unless it has one. */
  readonly expires: boolean
  /**
   * A batch that loses its last record stays as an empty one, for its producer fields and offsets.
   * A format without empty batches drops it all the same.
   */
  readonly keepEmpty: boolean
}

/** What compaction by key needs of a format. Only called for batches that `check` found sound. */
export interface CompactionFormat {
  /** Calls `visit` for every record of the batch at `position`, in offset order. */
  visit(bytes: Uint8Array, position: number, visit: (record: RecordView) => void): void
  /** From when on the batch's tombstones (or its marker) may go, in ms; undefined: not set yet. */
  deleteHorizonMs(bytes: Uint8Array, position: number): number | undefined
  /**
   * The batch with only the records that `rules` keep. Offsets, epoch, timestamps and producer
   * fields stay. Undefined: it may stay as it is; null: nothing is left of it.
   */
  rewrite(bytes: Uint8Array, position: number, rules: RewriteRules): Uint8Array | null | undefined
}

/**
 * Makes batches opaque to the store: it moves whole batches and looks at nothing but this. All
 * methods are synchronous, keep no reference to the bytes, and must not throw on garbage (`sizeOf`
 * answers -1, `check` answers a reason); `describe` and `stamp` are only called where `sizeOf` was
 * positive and `headerBytes` bytes are present. `describe` may throw when the fields are
 * impossible.
 */
export interface BatchFormat {
  readonly name: string
  /** So many bytes from the start of a batch are enough for `sizeOf` and `describe`. */
  readonly headerBytes: number
  /**
   * Whole bytes of the batch that starts at `position`. 0: zero-filled, nothing was written here.
   * -1: impossible, or fewer than `headerBytes` bytes are left in `bytes`.
   */
  sizeOf(bytes: Uint8Array, position: number): number
  describe(bytes: Uint8Array, position: number): BatchSummary
  /**
   * The whole batch is present: why it is corrupt, or undefined when it is sound.
   * `checksumMatches`: its checksum was compared by `checksumsMatchUntil`.
   */
  check(bytes: Uint8Array, position: number, checksumMatches?: boolean): string | undefined
  /**
   * Compares checksums of the batches from `position` on, where that is cheaper for many at once
   * than for each: those of all that begin below the answer match. It may end anywhere, also at
   * `position`, and tells nothing of what is there.
   */
  checksumsMatchUntil?(bytes: Uint8Array, position: number): number
  /** Writes offset and epoch into the header, in place; no checksum covers them. */
  stamp(
    bytes: Uint8Array,
    position: number,
    stamp: { readonly baseOffset: number; readonly leaderEpoch: number },
  ): void
  /** Present when records can be told apart: search by timestamp is then exact to the record. */
  readonly records?: {
    /** Records of the one batch that `bytes` is, in offset order. */
    iterate(bytes: Uint8Array): Iterable<RecordSummary>
    /** The batch with only the kept records, offsets unchanged; null when none is kept. */
    retain(bytes: Uint8Array, keep: (offset: number) => boolean): Uint8Array | null
  }
  /** Present when logs of this format can be compacted. */
  readonly compaction?: CompactionFormat
  readonly producer?: {
    /**
     * Undefined when the batch has no producer id. The whole batch is there. Called for each one,
     * so those without should cost next to nothing. Must not throw on garbage.
     */
    describe(bytes: Uint8Array, position: number): ProducerSummary | undefined
  }
}

/**
 * Like `describe`, with undefined for fields that cannot be: the bytes may come from a damaged
 * file.
 */
export function tryDescribe(
  format: BatchFormat,
  bytes: Uint8Array,
  position: number,
): BatchSummary | undefined {
  try {
    return format.describe(bytes, position)
  } catch {
    return undefined
  }
}
