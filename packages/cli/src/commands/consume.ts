import type { StartPosition } from '@kfk/consumer'
import { InvalidArgumentError, type Command } from 'commander'
import { addBrokersOption, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { exitCodes, usageError } from '../errors.js'
import { partitionList, unescape, wholeNumber } from '../option-parsers.js'
import { consumeRecords } from '../records/consume-records.js'
import {
  compileFormat,
  formatLetters,
  jsonLine,
  type RecordPrinter,
} from '../records/record-text.js'
import { parseStart } from '../start-position.js'

const examples = `
Prints the value of each record on a line, and goes on until it is stopped (Ctrl-C), its reader goes
away, or --max or --to-end end it. With --group it is a member of that group: it begins at the
committed offsets and commits what it has printed; --from is for partitions without one.

Format: %t topic, %p partition, %o offset, %k key, %v value, %h headers, %T timestamp in ms, %% a
percent sign; \\t, \\n... are understood. A line break follows each record.

Examples:
  kfk consume page-views                               what comes in from now on
  kfk consume page-views --from earliest --max 5
  kfk consume page-views searches --from 2026-01-31T12:00:00Z --json
  kfk consume page-views --to-end --format '%p %o %k=%v'
  kfk consume page-views --group audit --from earliest | head -1`

interface ConsumeOptions extends ConnectionOptions {
  readonly group?: string
  readonly from?: StartPosition
  readonly partition?: readonly number[]
  readonly max?: number
  readonly follow?: boolean
  readonly toEnd?: boolean
  readonly json?: boolean
  readonly format?: RecordPrinter
}

export function addConsumeCommand(program: Command, context: CommandContext): void {
  addBrokersOption(program.command('consume'))
    .description('Print records of topics.')
    .argument('<topic...>', 'names')
    .option('-g, --group <id>', 'read as a member of this group')
    .option(
      '--from <where>',
      'earliest, latest, ISO 8601 or ms since 1970 (default: latest; earliest with --to-end)',
      parseStart,
    )
    .option('-p, --partition <list>', 'only these: 0,3; repeatable', partitionList)
    .option('-n, --max <n>', 'end after so many records', wholeNumber(1))
    .option('--follow', 'wait for more at the end (the default)')
    .option('--to-end', 'end where the topics end now')
    .option('--json', 'print each record as a line of JSON')
    .option('-F, --format <text>', 'print each record like this', parseFormat)
    .addHelpText('after', examples)
    .action(
      action(context, (topics: string[], options: ConsumeOptions) =>
        consume(topics, options, context),
      ),
    )
}

function parseFormat(text: string): RecordPrinter {
  const print = compileFormat(`${unescape(text)}\n`)
  if (print !== undefined) return print
  const letters = formatLetters.map((letter) => `%${letter}`).join(' ')
  throw new InvalidArgumentError(`A % is followed by one of ${letters}.`)
}

async function consume(
  topics: readonly string[],
  options: ConsumeOptions,
  context: CommandContext,
): Promise<number> {
  const { json = false, format, toEnd = false, follow = false, group, partition, max } = options
  if (json && format !== undefined) throw usageError('--json and --format exclude each other')
  if (toEnd && follow) throw usageError('--to-end and --follow exclude each other')
  const print: RecordPrinter = json
    ? (record) => Buffer.from(`${jsonLine(record)}\n`)
    : (format ?? compileFormat('%v\n')!)
  await consumeRecords(
    {
      ...{ topics, group, partitions: partition, max, toEnd, print },
      from: options.from ?? (toEnd ? 'earliest' : 'latest'),
      connection: options,
    },
    context,
  )
  return exitCodes.ok
}
