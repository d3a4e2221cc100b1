import { basename } from 'node:path'
import type { LostOffsets } from './repair-plan.js'
import type { RepairReport } from './repair.js'

/** A repair in words, line by line. */
export function describeRepair(report: RepairReport): string[] {
  const { path, segments, batches } = report
  const head = `${path}: ${counted(segments, 'segment')}, ${counted(batches, 'valid batch', 'es')}`
  if (report.sound) return [`${head}, nothing to repair`]
  const lines = [head]
  for (const cut of report.cuts) {
    const verb = report.dryRun ? 'would be set aside in' : 'set aside in'
    lines.push(
      `  ${basename(cut.path)} at byte ${cut.position}: ${cut.reason}; ` +
        `${counted(cut.bytes, 'byte')} ${verb} ${basename(cut.setAside)}`,
    )
  }
  lines.push(...report.lost.map((lost) => `  ${describeLost(lost)}`))
  if (report.lost.length === 0) lines.push('  no synced offset is lost')
  for (const segment of report.reindexed) {
    const verb = report.dryRun ? 'would be built' : 'built'
    lines.push(`  ${basename(segment)}: indexes ${verb} anew`)
  }
  lines.push(`  the log goes on at offset ${report.logEndOffset}`)
  if (report.dryRun) lines.push('  dry run: nothing was changed')
  return lines
}

function describeLost({ from, to, maybe }: LostOffsets): string {
  const range = from === to ? `offset ${from}` : `offsets ${from} to ${to}`
  const count = from === to ? '' : ` (${to - from + 1})`
  return maybe ? `lost, unless compacted away before: ${range}${count}` : `lost: ${range}${count}`
}

function counted(count: number, thing: string, plural = 's'): string {
  return `${count} ${thing}${count === 1 ? '' : plural}`
}
