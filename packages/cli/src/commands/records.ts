import type { Admin, CallOptions, Place } from '@kfk/client'
import { InvalidArgumentError, type Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { exitCodes } from '../errors.js'
import { placesFrom } from '../places.js'
import { parseStart } from '../start-position.js'
import { renderTable } from '../table.js'

const groupExamples = `
Examples:
  kfk records delete page-views:0 --before 1500            shows what would go; --execute does it`

const examples = `
Shows what would be deleted; --execute deletes it, for good. Topics that are only compacted keep
their records.

Examples:
  kfk records delete page-views:0 --before 1500 --execute
  kfk records delete page-views --before 2026-01-31T12:00:00Z
  kfk records delete page-views searches --before end --execute`

/** The first record that stays: of a time, of an offset, or none at all. */
type Before = 'end' | { readonly offset: bigint } | { readonly timestamp: number }

interface DeleteOptions extends ConnectionOptions {
  readonly before: Before
  readonly execute?: boolean
  readonly json?: boolean
}

export function addRecordsCommand(program: Command, context: CommandContext): void {
  const records = program
    .command('records')
    .description('Delete records from the start of partitions.')
    .addHelpText('after', groupExamples)
  addBrokersOption(records.command('delete'))
    .description('Delete the records before an offset or a time.')
    .argument('<topic[:partitions]...>', 'topics, or some of their partitions')
    .requiredOption(
      '--before <where>',
      'the first that stays: an offset, a time (ISO 8601), or "end" for none',
      parseBefore,
    )
    .option('--execute', 'delete them')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (topics: string[], options: DeleteOptions) =>
        remove(topics, options, context),
      ),
    )
}

function parseBefore(text: string): Before {
  if (text === 'end') return text
  if (/^\d{1,16}$/.test(text)) return { offset: BigInt(text) }
  const at = parseStart(text)
  if (typeof at === 'object') return at
  throw new InvalidArgumentError('Allowed are an offset, end, or a time by ISO 8601.')
}

function remove(
  topics: readonly string[],
  options: DeleteOptions,
  context: CommandContext,
): Promise<number> {
  const execute = options.execute === true
  return withAdmin(options, context, async (admin, bounds) => {
    const places = await placesFrom(admin, topics, bounds)
    const starts = await offsetsOf(admin, places, 'earliest', bounds)
    const targets = await targetsOf(admin, places, options.before, bounds)
    const deletions = places.map((place, index) => ({ ...place, before: targets[index]! }))
    const done = execute ? await admin.deleteRecords(deletions, bounds) : []
    const deleted = places.map((place, index) => {
      const start = done[index]?.lowWatermark ?? targets[index]!
      const count = start - starts[index]!
      return { ...place, from: starts[index]!, to: start, records: count > 0n ? count : 0n }
    })
    if (options.json === true) {
      await context.out.json({ executed: execute, deleted })
      return exitCodes.ok
    }
    const columns = [
      { name: 'TOPIC' },
      ...['PARTITION', 'START', 'NEW', 'RECORDS'].map((name) => ({
        name,
        align: 'right' as const,
      })),
    ]
    const rows = deleted.map(({ topic, partition, from, to, records }) => [
      ...[topic, partition, from, to, records],
    ])
    await context.out.line(renderTable(columns, rows, context.colors))
    if (!execute) await context.out.line('nothing was deleted: --execute does it')
    return exitCodes.ok
  })
}

async function offsetsOf(
  admin: Admin,
  places: readonly Place[],
  at: 'earliest' | 'latest' | number,
  bounds: CallOptions,
): Promise<bigint[]> {
  const found = await admin.listOffsets(
    places.map((place) => ({ ...place, at })),
    bounds,
  )
  return found.map(({ offset }) => offset)
}

/** The new starts. Without a record at or after a time all go. */
async function targetsOf(
  admin: Admin,
  places: readonly Place[],
  before: Before,
  bounds: CallOptions,
): Promise<bigint[]> {
  if (typeof before === 'object' && 'offset' in before) return places.map(() => before.offset)
  const ends = await offsetsOf(admin, places, 'latest', bounds)
  if (before === 'end') return ends
  const timed = await offsetsOf(admin, places, before.timestamp, bounds)
  return timed.map((offset, index) => (offset < 0n ? ends[index]! : offset))
}
