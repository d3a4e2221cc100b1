import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { exitCodes } from '../errors.js'
import { collect } from '../option-parsers.js'
import { placesFrom } from '../places.js'
import { renderTable } from '../table.js'

const groupExamples = `
Examples:
  kfk transactions list --state Ongoing
  kfk transactions describe billing-1
  kfk transactions producers page-views:0`

const listExamples = `
Examples:
  kfk transactions list
  kfk transactions list --state Ongoing --json`

const describeExamples = `
Examples:
  kfk transactions describe billing-1 billing-2`

const producersExamples = `
OPEN SINCE is the offset at which the open transaction of a producer begins; - is none.

Examples:
  kfk transactions producers page-views
  kfk transactions producers page-views:0,3 --json`

interface TransactionsOptions extends ConnectionOptions {
  readonly state?: readonly string[]
  readonly json?: boolean
}

type Cell = string | number | bigint

/** Adds what shows transactional ids and the producers that partitions remember. */
export function addTransactionsCommand(program: Command, context: CommandContext): void {
  const transactions = program
    .command('transactions')
    .description('Show transactions, and the producers that partitions remember.')
    .addHelpText('after', groupExamples)
  addBrokersOption(transactions.command('list'))
    .description('List transactional ids.')
    .option('--state <name>', 'only in this state, such as Ongoing; repeatable', collect)
    .option('--json', 'print JSON')
    .addHelpText('after', listExamples)
    .action(action(context, (options: TransactionsOptions) => list(options, context)))
  addBrokersOption(transactions.command('describe'))
    .description('Show state, producer and partitions of transactional ids.')
    .argument('<id...>', 'transactional ids')
    .option('--json', 'print JSON')
    .addHelpText('after', describeExamples)
    .action(
      action(context, (ids: string[], options: TransactionsOptions) =>
        describe(ids, options, context),
      ),
    )
  addBrokersOption(transactions.command('producers'))
    .description('Show the producers that partitions remember.')
    .argument('<topic[:partitions]...>', 'topics, or some of their partitions')
    .option('--json', 'print JSON')
    .addHelpText('after', producersExamples)
    .action(
      action(context, (topics: string[], options: TransactionsOptions) =>
        producers(topics, options, context),
      ),
    )
}

function list(options: TransactionsOptions, context: CommandContext): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const states = options.state ?? []
    const listed = await admin.listTransactions({ ...bounds, states })
    const rows = listed.map((one) => [one.transactionalId, one.producerId, one.state])
    return show(listed, { columns: ['ID', 'PRODUCER', 'STATE'], rows, options }, context)
  })
}

function describe(
  ids: readonly string[],
  options: TransactionsOptions,
  context: CommandContext,
): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const described = await admin.describeTransactions(ids, bounds)
    const rows = described.map((one) => [
      ...[one.transactionalId, one.producerId, one.producerEpoch, one.state],
      one.startedAt === undefined ? '-' : new Date(one.startedAt).toISOString(),
      one.partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(',') || '-',
    ])
    const columns = ['ID', 'PRODUCER', 'EPOCH', 'STATE', 'STARTED', 'PARTITIONS']
    return show(described, { columns, rows, options }, context)
  })
}

function producers(
  topics: readonly string[],
  options: TransactionsOptions,
  context: CommandContext,
): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const places = await placesFrom(admin, topics, bounds)
    const active = await admin.describeProducers(places, bounds)
    const rows = active.map((one) => [
      ...[one.topic, one.partition, one.producerId, one.producerEpoch, one.lastSequence],
      one.lastTimestamp < 0 ? '-' : new Date(one.lastTimestamp).toISOString(),
      one.transactionStart ?? '-',
    ])
    const columns = ['TOPIC', 'PARTITION', 'PRODUCER', 'EPOCH', 'SEQUENCE', 'LAST', 'OPEN SINCE']
    return show(active, { columns, rows, options }, context)
  })
}

async function show(
  values: readonly unknown[],
  table: {
    readonly columns: readonly string[]
    readonly rows: readonly (readonly Cell[])[]
    readonly options: TransactionsOptions
  },
  { out, colors, note }: CommandContext,
): Promise<number> {
  const columns = table.columns.map((name) => ({ name }))
  if (table.options.json === true) await out.json(values)
  else if (values.length === 0) note('there are none')
  else await out.line(renderTable(columns, table.rows, colors))
  return exitCodes.ok
}
