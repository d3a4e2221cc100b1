import {
  describeRepair,
  frameFormat,
  repairPath,
  StoreError,
  type RepairReport,
} from '@kfk/log-store'
import { recordBatchFormat } from '@kfk/protocol'
import { failure } from '../errors.js'
import { statOf } from './dump-path.js'

export interface RepairSettings {
  readonly format: 'kafka' | 'frame' | undefined
  readonly dryRun: boolean
  readonly signal: AbortSignal
}

const formats = { kafka: [recordBatchFormat], frame: [frameFormat] }

/**
 * Repairs a segment, a log or all logs of a data directory; says of each what was done.
 * @throws CliError when there is no such path, or a process has the directory
 */
export async function* repairLogs(
  path: string,
  { format, dryRun, signal }: RepairSettings,
): AsyncGenerator<{ readonly lines: readonly string[]; readonly report: RepairReport }> {
  await statOf(path)
  const known = format === undefined ? [recordBatchFormat, frameFormat] : formats[format]
  try {
    for await (const report of repairPath(path, { formats: known, dryRun, signal })) {
      yield { lines: describeRepair(report), report }
    }
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'KFK_STORE_LOCKED')) throw error
    const hint = 'stop the process that has it: nothing may write while a log is repaired'
    throw failure(error.message, { hint })
  }
}
