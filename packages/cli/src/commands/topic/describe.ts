import type { Admin, CallOptions, ConfigEntry, TopicMetadata } from '@kfk/client'
import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type Colors, type CommandContext } from '../../context.js'
import { counted } from '../../counted.js'
import { exitCodes } from '../../errors.js'
import { placeKey, reachableOffsets } from '../../reachable-offsets.js'
import { renderTable, type Column } from '../../table.js'

const examples = `
START is the offset of the first record that is kept, END that of the next one to be written. A
partition whose broker is away has no leader and no offsets.

Examples:
  kfk topic describe page-views
  kfk topic describe page-views searches --json
  kfk topic describe page-views --all-configs`

interface DescribeOptions extends ConnectionOptions {
  readonly allConfigs?: boolean
  readonly json?: boolean
}

interface PartitionDescription {
  readonly partition: number
  readonly leader: number | null
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Null while the partition has no leader, or it does not answer. */
  readonly startOffset: bigint | null
  readonly endOffset: bigint | null
}

interface TopicDescription {
  readonly topic: string
  readonly topicId: string
  readonly internal: boolean
  readonly partitions: readonly PartitionDescription[]
  readonly configs: readonly Pick<ConfigEntry, 'name' | 'value' | 'source'>[]
}

export function addTopicDescribeCommand(topic: Command, context: CommandContext): void {
  addBrokersOption(topic.command('describe'))
    .description('Show partitions, leaders, offsets and configs of topics.')
    .argument('<topic...>', 'names')
    .option('--all-configs', 'configs that have their default value, too')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (names: string[], options: DescribeOptions) =>
        describe(names, options, context),
      ),
    )
}

function describe(
  names: readonly string[],
  options: DescribeOptions,
  context: CommandContext,
): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const topics: TopicDescription[] = []
    for (const topic of await admin.describeTopics(names, bounds)) {
      topics.push({
        topic: topic.name,
        topicId: topic.topicId,
        internal: topic.internal,
        partitions: await partitionsOf(admin, topic, bounds),
        configs: await configsOf(admin, topic.name, {
          ...bounds,
          all: options.allConfigs === true,
        }),
      })
    }
    if (options.json === true) await context.out.json(topics)
    else await context.out.line(topics.map((each) => textOf(each, context.colors)).join('\n\n'))
    return exitCodes.ok
  })
}

async function partitionsOf(
  admin: Admin,
  topic: TopicMetadata,
  bounds: CallOptions,
): Promise<PartitionDescription[]> {
  const [starts, ends] = await Promise.all([
    reachableOffsets(admin, [topic], { ...bounds, at: 'earliest' }),
    reachableOffsets(admin, [topic], { ...bounds, at: 'latest' }),
  ])
  return topic.partitions.map(({ index, leaderId, leaderEpoch, replicas, isr }) => {
    const key = placeKey({ topic: topic.name, partition: index })
    return {
      partition: index,
      leader: leaderId < 0 ? null : leaderId,
      ...{ leaderEpoch, replicas, isr },
      startOffset: starts.get(key) ?? null,
      endOffset: ends.get(key) ?? null,
    }
  })
}

async function configsOf(
  admin: Admin,
  topic: string,
  { all, ...bounds }: CallOptions & { readonly all: boolean },
): Promise<TopicDescription['configs']> {
  const [described] = await admin.describeConfigs([{ type: 'topic', name: topic }], bounds)
  return (described?.entries ?? [])
    .filter(({ source }) => all || source !== 'default')
    .map(({ name, value, source }) => ({ name, value, source }))
}

const right = (name: string): Column => ({ name, align: 'right' })
const columns: readonly Column[] = [
  ...['PARTITION', 'LEADER', 'EPOCH'].map(right),
  ...[{ name: 'REPLICAS' }, { name: 'ISR' }],
  ...['START', 'END', 'RECORDS'].map(right),
]

function textOf(topic: TopicDescription, colors: Colors): string {
  const rows = topic.partitions.map((each) => [
    each.partition,
    each.leader ?? colors.red('none'),
    each.leaderEpoch,
    each.replicas.join(','),
    each.isr.join(','),
    each.startOffset ?? '-',
    each.endOffset ?? '-',
    each.endOffset === null ? '-' : each.endOffset - (each.startOffset ?? 0n),
  ])
  const configs = topic.configs.map(({ name, value, source }) => {
    const origin = source === 'topic' ? '' : ` (${source})`
    return `  ${name}=${value}${origin}`
  })
  return [
    `${colors.bold(topic.topic)}  id ${topic.topicId}, ${counted(topic.partitions.length, 'partition')}`,
    ...(configs.length === 0 ? [] : ['configs:', ...configs]),
    renderTable(columns, rows, colors),
  ].join('\n')
}
