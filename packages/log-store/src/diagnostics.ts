import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { StoreError } from './errors.js'

// What the store does, told over `node:diagnostics_channel`. The rule for publishers: a message is
// made only behind `hasSubscribers`, so that nothing is allocated and no clock is read for nobody:
//
//   if (diagnostics.roll.hasSubscribers) diagnostics.roll.publish({ ... })
//
// Messages are plain objects, made anew for each event: subscribers may keep them.

/** Which log a message speaks of. */
export interface LogMessage {
  /** Name of the log: `<topic>-<partition>`. */
  readonly log: string
  /** Its directory. */
  readonly path: string
}

/** One write to the active segment: everything that was queued in one turn of the event loop. */
export interface AppendMessage extends LogMessage {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  /** Of the call to the system, in ms. */
  readonly durationMs: number
}

/** One sync that succeeded (those that fail come on `poison`). */
export interface FlushMessage extends LogMessage {
  /** All below is on the medium now. */
  readonly recoveryPoint: number
  /** Written since the sync before. */
  readonly bytes: number
  /** Promises of `whenDurable`, `whenAcknowledged` and `flush` that this sync settled. */
  readonly waiters: number
  /** Segments that were sealed since the sync before, and were synced with it. */
  readonly sealedSegments: number
  /** From the start of the sync to its end, in ms; waiting for a turn is not in it. */
  readonly durationMs: number
}

/** A segment was sealed and the next one begun. */
export interface RollMessage extends LogMessage {
  /** Of the new segment. */
  readonly baseOffset: number
  readonly sealedBaseOffset: number
  readonly sealedBytes: number
}

/**
 * Where the bytes of a read came from. `hot`: memory of recent appends; `warm`: the file, without
 * waiting, for the page cache has it; `cold`: the file, in the thread pool.
 */
export type ReadTemperature = 'hot' | 'warm' | 'cold'

/** One answered read; empty answers at the end of the log are not told. */
export interface ReadMessage extends LogMessage {
  readonly temperature: ReadTemperature
  readonly from: number
  readonly nextOffset: number
  readonly bytes: number
  readonly durationMs: number
}

/** A log that was on disk was opened. */
export interface RecoveryMessage extends LogMessage {
  /** False: the directory had not been closed cleanly, and the log was recovered. */
  readonly clean: boolean
  readonly segments: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Read and checked, 0 after a clean close. */
  readonly scannedBytes: number
  /** Cut from the end. */
  readonly cutBytes: number
  readonly durationMs: number
}

/** One compaction of a log ended well (what fails comes as a report, or to who asked for it). */
export interface CompactionMessage extends LogMessage {
  /** From the first offset that was dirty to the one below which all is clean now. */
  readonly fromOffset: number
  readonly toOffset: number
  /** Of the segments that begin below `toOffset`. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly recordsBefore: number
  readonly recordsAfter: number
  /** More than one when the keys did not fit the memory for them. */
  readonly passes: number
  /** From begin to end, in ms; the pauses that it left to others are in it. */
  readonly durationMs: number
}

/** One sealed segment was read again and checked: by a scrubbing pass or by `scrub`. */
export interface ScrubMessage extends LogMessage {
  readonly baseOffset: number
  /** Read; a damaged segment is not read to its end. */
  readonly bytes: number
  /** Byte position of the first bad batch; undefined: the segment is sound. */
  readonly damagedPosition: number | undefined
  /** In ms; what it waited to keep to its rate is in it. */
  readonly durationMs: number
}

/** The directory stopped taking appends for good after a failed write or sync. */
export interface PoisonMessage {
  /** Of the directory. */
  readonly path: string
  readonly error: StoreError
}

/** What is told, by the last word of the channel's name. */
export interface StoreMessages {
  append: AppendMessage
  flush: FlushMessage
  roll: RollMessage
  read: ReadMessage
  recovery: RecoveryMessage
  compaction: CompactionMessage
  scrub: ScrubMessage
  poison: PoisonMessage
}

/** Names of the channels, for `diagnostics_channel.subscribe`. */
export const storeChannels = {
  append: 'kfk:log-store:append',
  flush: 'kfk:log-store:flush',
  roll: 'kfk:log-store:roll',
  read: 'kfk:log-store:read',
  recovery: 'kfk:log-store:recovery',
  compaction: 'kfk:log-store:compaction',
  scrub: 'kfk:log-store:scrub',
  poison: 'kfk:log-store:poison',
} as const satisfies { readonly [kind in keyof StoreMessages]: string }

/** A channel as publishers see it. */
export interface Publisher<Message> {
  readonly hasSubscribers: boolean
  publish(message: Message): void
}

type Publishers = { readonly [kind in keyof StoreMessages]: Publisher<StoreMessages[kind]> }

/** The channels, for the store itself. A subscriber that throws does not disturb the store. */
export const diagnostics: Publishers = {
  append: channel(storeChannels.append),
  flush: channel(storeChannels.flush),
  roll: channel(storeChannels.roll),
  read: channel(storeChannels.read),
  recovery: channel(storeChannels.recovery),
  compaction: channel(storeChannels.compaction),
  scrub: channel(storeChannels.scrub),
  poison: channel(storeChannels.poison),
}

/**
 * Calls `listener` for every such event of all logs of the process, synchronously, in the middle of
 * the work that it tells of: keep it short. Returns the unsubscriber.
 */
export function onStoreMessage<Kind extends keyof StoreMessages>(
  kind: Kind,
  listener: (message: StoreMessages[Kind]) => void,
): () => void {
  const receive = (message: unknown) => listener(message as StoreMessages[Kind])
  subscribe(storeChannels[kind], receive)
  return () => {
    unsubscribe(storeChannels[kind], receive)
  }
}
