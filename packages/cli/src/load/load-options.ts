import { jsonLines, targetFrom, type LoadOptions, type Target } from '@kfk/hadoop-loader'
import type { Client } from '@kfk/client'
import type { ConnectionOptions } from '../connection.js'
import { usageError } from '../errors.js'

/** Where a load goes: `--to`, or `--hdfs`, which says the same. */
export interface TargetFlags {
  readonly to?: string
  readonly hdfs?: string
}

export interface LoadCommandOptions extends ConnectionOptions, TargetFlags {
  readonly timeField?: string
  readonly format: 'json-lines'
  readonly compression: 'gzip' | 'none'
  readonly parallelism?: number
  readonly splitRecords?: number
  readonly envelope?: boolean
  readonly skipMissing?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** @throws CliError KFK_CLI_USAGE */
export function targetOf({ to, hdfs }: TargetFlags): Target {
  if (to !== undefined && hdfs !== undefined) {
    throw usageError('--to and --hdfs name the same thing: give one of them')
  }
  const where = to ?? hdfs
  if (where === undefined || where === '') {
    throw usageError('where to? Give --to with a directory, or with http://NAMENODE:9870/path')
  }
  return targetFrom(where)
}

/** The loader's options; what was not given is the loader's default. */
export function loadOptionsOf(
  topics: readonly string[],
  options: LoadCommandOptions,
  client: Client,
): LoadOptions {
  const { timeField, parallelism, splitRecords, skipMissing } = options
  return {
    client,
    topics,
    target: targetOf(options),
    compression: options.compression,
    format: jsonLines({ envelope: options.envelope === true }),
    ...(timeField !== undefined && { timeField }),
    ...(parallelism !== undefined && { parallelism }),
    ...(splitRecords !== undefined && { splitRecords }),
    ...(skipMissing !== undefined && { skipMissing }),
  }
}
