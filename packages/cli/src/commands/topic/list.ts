import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { exitCodes } from '../../errors.js'
import { renderTable } from '../../table.js'

const examples = `
Examples:
  kfk topic list
  kfk topic list --internal --json`

interface ListOptions extends ConnectionOptions {
  readonly internal?: boolean
  readonly json?: boolean
}

export function addTopicListCommand(topic: Command, context: CommandContext): void {
  addBrokersOption(topic.command('list'))
    .description('List topics.')
    .option('--internal', 'with internal ones, such as __consumer_offsets')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(action(context, (options: ListOptions) => list(options, context)))
}

function list(options: ListOptions, context: CommandContext): Promise<number> {
  const { out, colors } = context
  return withAdmin(options, context, async (admin, bounds) => {
    const all = await admin.describeTopics(undefined, bounds)
    const topics = all
      .filter(({ internal }) => options.internal === true || !internal)
      .map(({ name, topicId, internal, partitions }) => ({
        topic: name,
        partitions: partitions.length,
        withoutLeader: partitions.filter(({ leaderId }) => leaderId < 0).length,
        internal,
        topicId,
      }))
      .sort((left, right) => (left.topic < right.topic ? -1 : 1))
    if (options.json === true) {
      await out.json(topics)
      return exitCodes.ok
    }
    if (topics.length === 0) {
      context.note('no topics: kfk topic create NAME makes one')
      return exitCodes.ok
    }
    const rows = topics.map(({ topic, partitions, withoutLeader, topicId }) => [
      topic,
      partitions,
      topicId,
      withoutLeader > 0 ? colors.red(`${withoutLeader} without a leader`) : '',
    ])
    const columns = [{ name: 'TOPIC' }, { name: 'PARTITIONS', align: 'right' as const }]
    await out.line(renderTable([...columns, { name: 'ID' }, { name: '' }], rows, colors))
    return exitCodes.ok
  })
}
