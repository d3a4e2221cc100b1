import { PLACE_NUMBERS, type RecordSource } from '@kfk/protocol'
import type { TakenBatch } from './assigned-partition.js'
import { FetchedRecord } from './fetched-record.js'
import type { TopicPartition } from './topic-partition.js'

/** Of a constant of another package each use is a call, in CommonJS. */
const step = PLACE_NUMBERS

/**
 * The records of a batch, each made when it is asked for: that of a record which is done with is
 * gone before the collector sees it. `places` must not change meanwhile.
 */
export class PlacedRecords {
  readonly length: number
  readonly #place: TopicPartition
  readonly #source: RecordSource
  readonly #numbers: Int32Array
  readonly #first: number

  constructor({ partition, batch }: TakenBatch) {
    const { source, places, first } = batch
    this.length = source.recordCount - first
    // A record that is kept keeps this, and should not keep what is fetched ahead.
    this.#place = { topic: partition.topic, partition: partition.partition }
    this.#source = source
    this.#numbers = places.numbers
    this.#first = first
  }

  at(index: number): FetchedRecord | undefined {
    if (index >= this.length) return undefined
    return new FetchedRecord(this.#place, this.#source, this.#numbers, (this.#first + index) * step)
  }
}
