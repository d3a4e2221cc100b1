import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type Colors, type CommandContext } from '../../context.js'
import { counted } from '../../counted.js'
import { exitCodes } from '../../errors.js'
import { describeGroup, type GroupPicture } from '../../group-picture.js'
import { renderTable, type Column } from '../../table.js'

const examples = `
COMMITTED is the offset of the next record to be processed, LAG the number of records after it.

Examples:
  kfk groups describe counters
  kfk groups describe counters loaders --json`

interface DescribeOptions extends ConnectionOptions {
  readonly json?: boolean
}

export function addGroupsDescribeCommand(groups: Command, context: CommandContext): void {
  addBrokersOption(groups.command('describe'))
    .description('Show members, partitions, committed offsets and lag of groups.')
    .argument('<group...>', 'group ids')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (ids: string[], options: DescribeOptions) => describe(ids, options, context)),
    )
}

function describe(
  ids: readonly string[],
  options: DescribeOptions,
  context: CommandContext,
): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const groups: GroupPicture[] = []
    for (const id of ids) groups.push(await describeGroup(admin, id, bounds))
    if (options.json === true) await context.out.json(groups)
    else await context.out.line(groups.map((each) => textOf(each, context.colors)).join('\n\n'))
    return exitCodes.ok
  })
}

const right = (name: string): Column => ({ name, align: 'right' })
const columns: readonly Column[] = [
  { name: 'TOPIC' },
  ...['PARTITION', 'COMMITTED', 'END', 'LAG'].map(right),
  ...['CLIENT', 'HOST', 'MEMBER'].map((name) => ({ name })),
]

function textOf(group: GroupPicture, colors: Colors): string {
  const { partitions, members, state, protocol } = group
  const by = protocol === '' ? '' : `, ${protocol}`
  const lag = partitions.reduce((sum, each) => sum + (each.lag ?? 0n), 0n)
  const title = `${colors.bold(group.group)}  ${state}${by}, ${counted(members.length, 'member')}, lag ${lag}`
  const idle = members
    .filter(({ partitions: owned }) => owned.length === 0)
    .map(({ memberId }) => `without partitions: ${memberId}`)
  if (partitions.length === 0) return [title, 'no committed offsets', ...idle].join('\n')
  const rows = partitions.map((each) => [
    each.topic,
    each.partition,
    each.committed ?? '-',
    each.end ?? '-',
    each.lag ?? '-',
    each.clientId ?? '-',
    each.host ?? '-',
    each.memberId ?? '-',
  ])
  return [title, renderTable(columns, rows, colors), ...idle].join('\n')
}
