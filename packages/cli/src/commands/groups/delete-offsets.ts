import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { counted } from '../../counted.js'
import { exitCodes } from '../../errors.js'
import { placesFrom } from '../../places.js'

const examples = `
No member of the group may be subscribed to the topics.

Examples:
  kfk groups delete-offsets counters page-views searches:0,3`

interface DeleteOffsetsOptions extends ConnectionOptions {
  readonly json?: boolean
}

export function addGroupsDeleteOffsetsCommand(groups: Command, context: CommandContext): void {
  addBrokersOption(groups.command('delete-offsets'))
    .description('Forget the committed offsets that a group has of topics.')
    .argument('<group>', 'group id')
    .argument('<topic[:partitions]...>', 'topics, or some of their partitions')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (group: string, topics: string[], options: DeleteOffsetsOptions) =>
        withAdmin(options, context, async (admin, bounds) => {
          const places = await placesFrom(admin, topics, bounds)
          await admin.deleteGroupOffsets(group, places, bounds)
          if (options.json === true) await context.out.json({ group, deleted: places })
          else
            await context.out.line(
              `group ${group} has no offsets of ${counted(places.length, 'partition')} any more`,
            )
          return exitCodes.ok
        }),
      ),
    )
}
