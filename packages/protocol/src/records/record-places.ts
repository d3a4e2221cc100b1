/**
 * Numbers for each record: where it begins, its offset delta, where its value begins, and how long
 * that is (-1: null).
 */
export const PLACE_NUMBERS = 4

/** Of what one unusual batch has needed, only so many numbers are kept. */
const KEPT_NUMBERS = 1 << 18

/**
 * Where the records of one batch lie: {@link PLACE_NUMBERS} each, in memory that is used again for
 * the next batch.
 */
export class RecordPlaces {
  numbers = new Int32Array(0)

  /** Makes room for so many records; what was there is lost. */
  reserve(recordCount: number): Int32Array {
    const needed = recordCount * PLACE_NUMBERS
    const { length } = this.numbers
    if (length < needed || (length > KEPT_NUMBERS && needed <= KEPT_NUMBERS)) {
      this.numbers = new Int32Array(needed)
    }
    return this.numbers
  }
}
