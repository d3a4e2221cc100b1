import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { exitCodes } from '../../errors.js'
import { collect } from '../../option-parsers.js'
import { renderTable } from '../../table.js'

const examples = `
Examples:
  kfk groups list
  kfk groups list --state Stable --json`

interface ListOptions extends ConnectionOptions {
  readonly state?: readonly string[]
  readonly json?: boolean
}

export function addGroupsListCommand(groups: Command, context: CommandContext): void {
  addBrokersOption(groups.command('list'))
    .description('List groups.')
    .option('--state <state>', 'only those in this state (Stable, Empty...); repeatable', collect)
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(action(context, (options: ListOptions) => list(options, context)))
}

function list(options: ListOptions, context: CommandContext): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const found = await admin.listGroups({ ...bounds, states: options.state ?? [] })
    if (options.json === true) {
      await context.out.json(
        found.map(({ groupId, protocolType, state }) => ({ group: groupId, protocolType, state })),
      )
    } else if (found.length === 0) {
      context.note('no groups')
    } else {
      const rows = found.map(({ groupId, state, protocolType }) => [groupId, state, protocolType])
      const columns = [{ name: 'GROUP' }, { name: 'STATE' }, { name: 'TYPE' }]
      await context.out.line(renderTable(columns, rows, context.colors))
    }
    return exitCodes.ok
  })
}
