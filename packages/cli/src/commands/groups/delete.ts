import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { exitCodes } from '../../errors.js'

const examples = `
Deletes groups that have no members, with their committed offsets.

Examples:
  kfk groups delete counters`

interface DeleteOptions extends ConnectionOptions {
  readonly json?: boolean
}

export function addGroupsDeleteCommand(groups: Command, context: CommandContext): void {
  addBrokersOption(groups.command('delete'))
    .description('Delete groups that have no members.')
    .argument('<group...>', 'group ids')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (ids: string[], options: DeleteOptions) =>
        withAdmin(options, context, async (admin, bounds) => {
          await admin.deleteGroups(ids, bounds)
          const deleted = ids.map((group) => ({ group, deleted: true }))
          if (options.json === true) await context.out.json(deleted)
          else for (const group of ids) await context.out.line(`deleted ${group}`)
          return exitCodes.ok
        }),
      ),
    )
}
