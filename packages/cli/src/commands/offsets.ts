import { InvalidArgumentError, type Command } from 'commander'
import type { OffsetSpec } from '@kfk/client'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { exitCodes } from '../errors.js'
import { placesFrom } from '../places.js'
import { parseStart } from '../start-position.js'
import { renderTable } from '../table.js'

const examples = `
The offset of a time is that of the first record at or after it; - means that there is none.

Examples:
  kfk offsets page-views                                where the partitions end
  kfk offsets page-views searches:0,3 --at earliest
  kfk offsets page-views --at 2026-01-31T12:00:00Z --json
  kfk offsets page-views --at max-timestamp             the record with the latest time`

interface OffsetsOptions extends ConnectionOptions {
  readonly at: OffsetSpec
  readonly committed?: boolean
  readonly json?: boolean
}

export function addOffsetsCommand(program: Command, context: CommandContext): void {
  addBrokersOption(program.command('offsets'))
    .description('Show offsets of partitions: their ends, or those of a time.')
    .argument('<topic[:partitions]...>', 'topics, or some of their partitions')
    .option(
      '--at <where>',
      'earliest, latest, max-timestamp, milliseconds since 1970 or a time (ISO 8601)',
      parseAt,
      'latest',
    )
    .option('--committed', 'the end before any transaction that is open')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (topics: string[], options: OffsetsOptions) =>
        show(topics, options, context),
      ),
    )
}

function parseAt(text: string): OffsetSpec {
  if (text === 'max-timestamp') return text
  try {
    const at = parseStart(text)
    return typeof at === 'object' ? at.timestamp : at
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    throw new InvalidArgumentError(error.message.replace('latest,', 'latest, max-timestamp,'))
  }
}

function show(
  topics: readonly string[],
  options: OffsetsOptions,
  context: CommandContext,
): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const places = await placesFrom(admin, topics, bounds)
    const isolation = options.committed === true ? 'committed' : 'uncommitted'
    const queries = places.map((place) => ({ ...place, at: options.at }))
    const found = await admin.listOffsets(queries, { ...bounds, isolation })
    const offsets = found.map(({ topic, partition, offset, timestamp }) => ({
      ...{ topic, partition },
      offset: offset < 0n ? null : offset,
      timestamp: timestamp < 0 ? null : timestamp,
    }))
    if (options.json === true) {
      await context.out.json(offsets)
      return exitCodes.ok
    }
    const right = { align: 'right' as const }
    const columns = [
      { name: 'TOPIC' },
      ...['PARTITION', 'OFFSET', 'TIMESTAMP'].map((name) => ({ name, ...right })),
    ]
    const rows = offsets.map(({ topic, partition, offset, timestamp }) => [
      ...[topic, partition, offset ?? '-'],
      timestamp === null ? '-' : new Date(timestamp).toISOString(),
    ])
    await context.out.line(renderTable(columns, rows, context.colors))
    return exitCodes.ok
  })
}
