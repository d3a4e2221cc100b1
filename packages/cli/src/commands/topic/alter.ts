import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { exitCodes } from '../../errors.js'
import { wholeNumber } from '../../option-parsers.js'

const examples = `
The number only grows. Keys are spread anew from then on: records of a key that are there stay where
they are. Configs are changed by \`kfk configs set\`.

Examples:
  kfk topic alter page-views --partitions 16`

interface AlterOptions extends ConnectionOptions {
  readonly partitions: number
  readonly json?: boolean
}

export function addTopicAlterCommand(topic: Command, context: CommandContext): void {
  addBrokersOption(topic.command('alter'))
    .description('Give topics more partitions.')
    .argument('<topic...>', 'names')
    .requiredOption('-p, --partitions <n>', 'how many there shall be', wholeNumber(1, 10_000))
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (names: string[], options: AlterOptions) =>
        withAdmin(options, context, async (admin, bounds) => {
          const { partitions } = options
          for (const name of names) await admin.createPartitions(name, partitions, bounds)
          const altered = names.map((name) => ({ topic: name, partitions }))
          if (options.json === true) await context.out.json(altered)
          else
            for (const name of names)
              await context.out.line(`altered ${name}: ${partitions} partitions`)
          return exitCodes.ok
        }),
      ),
    )
}
