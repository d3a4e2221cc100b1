import type { Admin, CallOptions, GroupOffset, NewGroupOffset, Place } from '@kfk/client'
import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { counted } from '../../counted.js'
import { exitCodes, failure } from '../../errors.js'
import { collect } from '../../option-parsers.js'
import { placesFrom } from '../../places.js'
import { parseReset, type ResetTo } from '../../start-position.js'
import { renderTable } from '../../table.js'

const examples = `
Shows what would change; --execute changes it. The group must have no members. An offset beyond the
log is moved to its nearest end, a time after the last record means the end.

Examples:
  kfk groups reset counters --to earliest               all that the group has offsets of
  kfk groups reset counters --to 2026-01-31T12:00:00Z --topic page-views --execute
  kfk groups reset counters --to -100 --execute         100 records back in each partition
  kfk groups reset counters --to PT1H30M --execute      to what was written an hour and a half ago
  kfk groups reset counters --to 1500 --topic page-views:0,3 --execute`

interface ResetOptions extends ConnectionOptions {
  readonly to: ResetTo
  readonly topic?: readonly string[]
  readonly execute?: boolean
  readonly json?: boolean
}

interface Change extends Place {
  /** Null when nothing was committed. */
  readonly from: bigint | null
  readonly to: bigint
}

export function addGroupsResetCommand(groups: Command, context: CommandContext): void {
  addBrokersOption(groups.command('reset'))
    .description('Move the committed offsets of a group that has no members.')
    .argument('<group>', 'group id')
    .requiredOption(
      '--to <where>',
      'earliest, latest, an offset, +N or -N, a time (ISO 8601), time:MILLISECONDS, a duration ago',
      parseReset,
    )
    .option('--topic <topic[:partitions]>', 'only this one; repeatable', collect)
    .option('--dry-run', 'only show what would change (the default)')
    .option('--execute', 'change it')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (group: string, options: ResetOptions) => reset(group, options, context)),
    )
}

function reset(group: string, options: ResetOptions, context: CommandContext): Promise<number> {
  return withAdmin(options, context, async (admin, bounds) => {
    const [description] = await admin.describeGroups([group], bounds)
    const { state = 'Dead', members = [] } = description ?? {}
    if (members.length > 0 || (state !== 'Empty' && state !== 'Dead')) {
      throw failure(
        `group "${group}" is in use: it has ${counted(members.length, 'member')} (${state})`,
        {
          hint: 'stop its consumers first; `kfk groups describe` shows them',
        },
      )
    }
    const committed = await admin.listGroupOffsets(group, bounds)
    const places = await placesOf(admin, options.topic, { ...bounds, committed })
    if (places.length === 0) {
      throw failure(`group "${group}" has no committed offsets`, {
        hint: '--topic names topics to set offsets for all the same',
      })
    }
    const before = new Map(committed.map((each) => [keyOf(each), each.offset]))
    const targets = await targetsOf(admin, places, { ...bounds, to: options.to, before })
    const changes = targets.map((each): Change => ({
      topic: each.topic,
      partition: each.partition,
      from: before.get(keyOf(each)) ?? null,
      to: each.offset,
    }))
    const execute = options.execute === true
    if (execute) await admin.alterGroupOffsets(group, targets, bounds)
    await print(changes, { group, execute, json: options.json === true }, context)
    return exitCodes.ok
  })
}

async function placesOf(
  admin: Admin,
  topics: readonly string[] | undefined,
  { committed, ...bounds }: CallOptions & { readonly committed: readonly GroupOffset[] },
): Promise<readonly Place[]> {
  if (topics === undefined) return committed
  return placesFrom(admin, topics, bounds)
}

/** Offsets within the log. */
async function targetsOf(
  admin: Admin,
  places: readonly Place[],
  {
    to,
    before,
    ...bounds
  }: CallOptions & { readonly to: ResetTo; readonly before: ReadonlyMap<string, bigint> },
): Promise<NewGroupOffset[]> {
  const ask = (at: 'earliest' | 'latest' | number) =>
    admin.listOffsets(
      places.map(({ topic, partition }) => ({ topic, partition, at })),
      bounds,
    )
  const [starts, ends] = [await ask('earliest'), await ask('latest')]
  const time = timeOf(to)
  const timed = time === undefined ? [] : await ask(time)
  return places.map(({ topic, partition }, index) => {
    const start = starts[index]!.offset
    const end = ends[index]!.offset
    let offset: bigint
    if (to === 'earliest') offset = start
    else if (to === 'latest') offset = end
    else if ('offset' in to) offset = to.offset
    else if ('shift' in to) offset = shifted({ topic, partition }, before, to.shift)
    else offset = timed[index]!.offset < 0n ? end : timed[index]!.offset
    return { topic, partition, offset: offset < start ? start : offset > end ? end : offset }
  })
}

/** The time that is meant by now; undefined when none is. */
function timeOf(to: ResetTo): number | undefined {
  if (typeof to !== 'object') return undefined
  if ('agoMs' in to) return Date.now() - to.agoMs
  return 'timestamp' in to ? to.timestamp : undefined
}

function shifted(place: Place, before: ReadonlyMap<string, bigint>, by: bigint): bigint {
  const from = before.get(keyOf(place))
  if (from !== undefined) return from + by
  throw failure(`nothing is committed for ${keyOf(place)}, so there is nothing to shift`, {
    hint: '--to with an offset, a time or an end sets one',
  })
}

async function print(
  changes: readonly Change[],
  how: { readonly group: string; readonly execute: boolean; readonly json: boolean },
  { out, colors }: CommandContext,
): Promise<void> {
  const { group, execute, json } = how
  if (json) return out.json({ group, executed: execute, changes })
  const columns = ['PARTITION', 'COMMITTED', 'NEW'].map((name) => ({
    name,
    align: 'right' as const,
  }))
  const rows = changes.map(({ topic, partition, from, to }) => [topic, partition, from ?? '-', to])
  await out.line(renderTable([{ name: 'TOPIC' }, ...columns], rows, colors))
  await out.line(execute ? `group ${group} was reset` : 'nothing was changed: --execute does it')
}

function keyOf({ topic, partition }: Place): string {
  return `${topic}-${partition}`
}
