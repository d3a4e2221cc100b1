import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { exitCodes } from '../../errors.js'

const examples = `
Deletes the topics with all their records, at once and without asking.

Examples:
  kfk topic delete page-views
  kfk topic delete searches page-views --json`

interface DeleteOptions extends ConnectionOptions {
  readonly json?: boolean
}

export function addTopicDeleteCommand(topic: Command, context: CommandContext): void {
  addBrokersOption(topic.command('delete'))
    .description('Delete topics with all their records.')
    .argument('<topic...>', 'names')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (names: string[], options: DeleteOptions) =>
        withAdmin(options, context, async (admin, bounds) => {
          await admin.deleteTopics(names, bounds)
          const deleted = names.map((topicName) => ({ topic: topicName, deleted: true }))
          if (options.json === true) await context.out.json(deleted)
          else for (const name of names) await context.out.line(`deleted ${name}`)
          return exitCodes.ok
        }),
      ),
    )
}
