import type { BoardSummary, CountsBoard } from './counts-board.js'

const redrawMs = 100
const lineMs = 1000

/** Where the view goes: standard output, or a test's list. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export const thousands = (value: number): string => value.toLocaleString('en-US')

/**
 * Shows the counts while they change: on a terminal a block that is redrawn in place, otherwise a
 * plain line a second. Other lines are printed by `say`, above the block.
 */
export class LiveView {
  readonly #screen: Screen
  readonly #board: CountsBoard
  readonly #stopWatching: () => void
  readonly #startedMs = performance.now()
  #drawn = 0
  #lastMs = -Infinity
  #timer: NodeJS.Timeout | undefined
  #first: number | undefined

  constructor(board: CountsBoard, screen: Screen = process.stdout) {
    this.#board = board
    this.#screen = screen
    this.#stopWatching = board.watch(() => this.#changed())
  }

  /** Milliseconds from the start of the view to the first count; undefined while there is none. */
  get firstCountMs(): number | undefined {
    return this.#first
  }

  /** Prints a line for good. */
  say(line: string): void {
    this.#erase()
    this.#screen.write(`${line}\n`)
    if (this.#screen.isTTY) this.#draw()
  }

  /** Draws what is there now and stops. */
  end(): void {
    this.#stopWatching()
    clearTimeout(this.#timer)
    this.#draw()
    this.#drawn = 0
  }

  #changed(): void {
    this.#first ??= this.#board.total() > 0 ? performance.now() - this.#startedMs : undefined
    if (this.#timer) return
    const every = this.#screen.isTTY ? redrawMs : lineMs
    const waitMs = Math.max(0, this.#lastMs + every - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#draw()
    }, waitMs)
    this.#timer.unref()
  }

  #draw(): void {
    const summary = this.#board.summary()
    if (summary.views + summary.searches === 0) return
    this.#lastMs = performance.now()
    this.#erase()
    const lines = this.#screen.isTTY ? block(summary, this.#screen.columns ?? 80) : [line(summary)]
    this.#screen.write(lines.map((each) => `${each}\n`).join(''))
    this.#drawn = this.#screen.isTTY ? lines.length : 0
  }

  #erase(): void {
    // Up and clear to the end of the screen.
    if (this.#drawn > 0) this.#screen.write(`\u001b[${this.#drawn}A\u001b[J`)
    this.#drawn = 0
  }
}

function line({ views, searches, minutes, topPages, topSearches }: BoardSummary): string {
  const [page] = topPages
  const [search] = topSearches
  const top = page ? `; top page ${clean(page[0])} (${thousands(page[1])})` : ''
  const words = search ? `; top search "${clean(search[0])}" (${search[1]})` : ''
  return `counted ${thousands(views)} page views in ${thousands(minutes)} minutes, ${thousands(searches)} searches${top}${words}`
}

function block(summary: BoardSummary, columns: number): string[] {
  const rows = [
    `  page views ${thousands(summary.views)} in ${thousands(summary.minutes)} minutes    searches ${thousands(summary.searches)}`,
    `  a minute   ${summary.lastMinutes.map(([minute, views]) => `${minute.slice(11)} ${views}`).join('   ')}`,
    ...summary.topPages.map(
      ([path, views], index) =>
        `${index === 0 ? '  pages    ' : '           '}${thousands(views).padStart(8)}  ${clean(path)}`,
    ),
    ...summary.topSearches.map(
      ([words, count], index) =>
        `${index === 0 ? '  searches ' : '           '}${thousands(count).padStart(8)}  ${clean(words)}`,
    ),
  ]
  return rows.map((row) => row.slice(0, columns - 1))
}

/** Log lines are strangers' text: no control characters reach the terminal. */
function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}
