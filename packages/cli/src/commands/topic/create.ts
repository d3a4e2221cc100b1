import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { counted } from '../../counted.js'
import { exitCodes } from '../../errors.js'
import { assignment, wholeNumber } from '../../option-parsers.js'

const examples = `
Examples:
  kfk topic create page-views --partitions 8
  kfk topic create searches page-views --if-not-exists
  kfk topic create audit --config retention.ms=-1 --config flush.messages=1`

interface CreateOptions extends ConnectionOptions {
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly config?: Readonly<Record<string, string>>
  readonly ifNotExists?: boolean
  readonly json?: boolean
}

export function addTopicCreateCommand(topic: Command, context: CommandContext): void {
  addBrokersOption(topic.command('create'))
    .description('Create topics.')
    .argument('<topic...>', 'names')
    .option(
      '-p, --partitions <n>',
      "how many (default: the broker's num.partitions)",
      wholeNumber(1, 10_000),
    )
    .option('-r, --replication-factor <n>', 'copies of each partition', wholeNumber(1, 100))
    .option('-c, --config <name=value>', "a setting by Kafka's name; repeatable", assignment)
    .option('--if-not-exists', 'leave existing topics as they are')
    .option('--json', 'print what was created as JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (names: string[], options: CreateOptions) => create(names, options, context)),
    )
}

function create(
  names: readonly string[],
  options: CreateOptions,
  context: CommandContext,
): Promise<number> {
  const { partitions, replicationFactor, config: configs, ifNotExists = false } = options
  return withAdmin(options, context, async (admin, bounds) => {
    const wanted = names.map((name) => ({ name, partitions, replicationFactor, configs }))
    const created = await admin.createTopics(wanted, { ...bounds, ifNotExists })
    const topics = created.map(({ name, topicId = null, partitions: count = null }) => ({
      topic: name,
      // Neither is told of a topic that was there already.
      existed: topicId === null && count === null,
      topicId,
      partitions: count,
    }))
    if (options.json === true) {
      await context.out.json(topics)
      return exitCodes.ok
    }
    for (const each of topics) {
      const count = counted(each.partitions ?? 0, 'partition')
      const text = each.existed
        ? `exists already: ${each.topic}`
        : `created ${each.topic}: ${count}`
      await context.out.line(text)
    }
    return exitCodes.ok
  })
}
