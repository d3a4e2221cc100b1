import type { DecodedRecord } from '@kfk/protocol'

/** A record and where it comes from. */
export interface SourceRecord {
  readonly topic: string
  readonly partition: number
  readonly record: DecodedRecord
}

/**
 * How records become bytes of a file. Stateless: several files of one format are written side by
 * side.
 */
export interface OutputFormat {
  readonly name: string
  /** Of file names, with the dot, before any `.gz`. */
  readonly extension: string
  /**
   * The bytes of one record, and its value as the place of a time field. Throws Unplaceable for a
   * record that the format cannot hold: it goes to the rejected ones with that reason.
   */
  encode(source: SourceRecord): { readonly bytes: Uint8Array; readonly value: unknown }
}
