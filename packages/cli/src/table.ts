import Table from 'cli-table3'
import type { Colors } from './context.js'

export interface Column {
  readonly name: string
  readonly align?: 'left' | 'right'
}

/** Rows under headings, columns apart by two spaces, as tools print that other tools read. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number | bigint)[])[],
  colors: Colors,
): string {
  const nothing = ''
  const table = new Table({
    head: columns.map(({ name }) => colors.bold(name)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    chars: {
      ...{ top: nothing, 'top-mid': nothing, 'top-left': nothing, 'top-right': nothing },
      ...{ bottom: nothing, 'bottom-mid': nothing, 'bottom-left': nothing },
      ...{ 'bottom-right': nothing, left: nothing, 'left-mid': nothing, mid: nothing },
      ...{ 'mid-mid': nothing, right: nothing, 'right-mid': nothing, middle: '  ' },
    },
  })
  for (const row of rows) table.push(row.map(String))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
