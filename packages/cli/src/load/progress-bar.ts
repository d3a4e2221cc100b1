import type { LoadProgress } from '@kfk/hadoop-loader'
import { SingleBar } from 'cli-progress'
import type { OutputStream } from '../io.js'

/** Progress of a load on a terminal's line; nothing on anything else. */
export class LoadProgressBar {
  readonly #bar: SingleBar | undefined
  #started = false

  constructor(stream: OutputStream) {
    if (stream.isTTY !== true) return
    this.#bar = new SingleBar({
      stream,
      format:
        'loading [{bar}] {percentage}%  {value}/{total} records  {splits} splits  {eta_formatted}',
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 100,
    })
  }

  update({ records, totalRecords, splitsDone, splits }: LoadProgress): void {
    const bar = this.#bar
    if (bar === undefined) return
    const payload = { splits: `${splitsDone}/${splits}` }
    if (!this.#started) {
      this.#started = true
      bar.start(totalRecords, records, payload)
      return
    }
    bar.setTotal(totalRecords)
    bar.update(records, payload)
  }

  stop(): void {
    if (this.#started) this.#bar?.stop()
  }
}
