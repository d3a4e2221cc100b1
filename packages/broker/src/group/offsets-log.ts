import {
  CoordinatorLog,
  type CoordinatorLogOptions,
  type CoordinatorRecordFormat,
  readRecords as readEntries,
} from '../partition/coordinator-log.js'
import { decodeOffsetsRecord, encodeOffsetsRecord, type OffsetsRecord } from './group-records.js'

const format: CoordinatorRecordFormat<OffsetsRecord> = {
  encode: encodeOffsetsRecord,
  decode: decodeOffsetsRecord,
}

/** A partition of `__consumer_offsets` as its coordinator uses it. */
export class OffsetsLog extends CoordinatorLog<OffsetsRecord> {
  constructor(options: Omit<CoordinatorLogOptions<OffsetsRecord>, 'format'>) {
    super({ ...options, format })
  }
}

/** The records of whole batches from offset `from` on, whatever became of their transactions. */
export function* readRecords(bytes: Uint8Array, from: number): IterableIterator<OffsetsRecord> {
  for (const { record } of readEntries(format, bytes, from)) if (record !== undefined) yield record
}
