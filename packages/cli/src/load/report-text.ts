import type { LoadPlan, LoadReport } from '@kfk/hadoop-loader'
import type { Colors } from '../context.js'
import { counted } from '../counted.js'
import { renderTable, type Column } from '../table.js'

const right = (name: string): Column => ({ name, align: 'right' })

/** `1234567` as `1.2 MB`. */
export function byteText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** What a load would copy. */
export function planText(plan: LoadPlan, colors: Colors): string {
  const rows = [...plan.gaps, ...plan.splits].map((split) => [
    split.topic,
    split.partition,
    split.from,
    split.to,
    split.to - split.from,
    split.missing === true ? 'no longer in the log' : '',
  ])
  const columns = [{ name: 'TOPIC' }, right('PARTITION'), right('FROM'), right('TO')]
  const total = `${counted(plan.splits.length, 'split')}, ${counted(plan.offsets, 'offset')} to copy`
  if (rows.length === 0) return `nothing new: ${total}`
  return `${renderTable([...columns, right('OFFSETS'), { name: '' }], rows, colors)}\n${total}`
}

/** What a load has done. */
export function loadText(report: LoadReport, options: { url: string; colors: Colors }): string {
  const { records, rejected, bytes, files, seconds, rolledForward, missing } = report
  const rows = report.topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, from, to }) => [topic, partition, from, to, to - from]),
  )
  const columns = [{ name: 'TOPIC' }, right('PARTITION'), right('FROM'), right('TO')]
  const lines =
    rows.length === 0 ? [] : [renderTable([...columns, right('OFFSETS')], rows, options.colors)]
  const rate = seconds > 0 ? `, ${Math.round(records / seconds)} records/s` : ''
  const time = `${seconds.toFixed(1)} s${rate}`
  lines.push(
    report.splits === 0
      ? `nothing new to load into ${options.url}`
      : `${counted(records, 'record')} (${byteText(bytes)}, ${counted(files, 'file')}) into ${options.url} in ${time}`,
  )
  if (rejected > 0)
    lines.push(`${counted(rejected, 'record')} rejected: see _rejected, with the reason of each`)
  if (missing > 0) lines.push(`${counted(missing, 'offset')} no longer in the log`)
  if (rolledForward > 0)
    lines.push(`${counted(rolledForward, 'split')} of an earlier load brought to an end`)
  return lines.join('\n')
}
