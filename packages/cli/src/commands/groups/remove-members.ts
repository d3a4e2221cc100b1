import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../../connection.js'
import { action, type CommandContext } from '../../context.js'
import { counted } from '../../counted.js'
import { exitCodes } from '../../errors.js'
import { collect } from '../../option-parsers.js'

const examples = `
A consumer that still runs joins anew; this is for those that are gone and whose session lasts long.

Examples:
  kfk groups remove-members counters                    all that there are
  kfk groups remove-members counters --instance host-7  a static member`

interface RemoveOptions extends ConnectionOptions {
  readonly member?: readonly string[]
  readonly instance?: readonly string[]
  readonly json?: boolean
}

export function addGroupsRemoveMembersCommand(groups: Command, context: CommandContext): void {
  addBrokersOption(groups.command('remove-members'))
    .description('Remove members of a group, so that others get their partitions at once.')
    .argument('<group>', 'group id')
    .option('--member <id>', 'a member by its id; repeatable', collect)
    .option('--instance <id>', 'a static member by its group.instance.id; repeatable', collect)
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (group: string, options: RemoveOptions) => remove(group, options, context)),
    )
}

function remove(group: string, options: RemoveOptions, context: CommandContext): Promise<number> {
  const { member = [], instance = [] } = options
  return withAdmin(options, context, async (admin, bounds) => {
    const named = [
      ...member.map((memberId) => ({ memberId })),
      ...instance.map((groupInstanceId) => ({ groupInstanceId })),
    ]
    const [description] = await admin.describeGroups([group], bounds)
    const members = named.length > 0 ? named : (description?.members ?? [])
    const reason = 'removed by kfk groups remove-members'
    await admin.removeGroupMembers(group, members, { ...bounds, reason })
    const removed = members.length
    if (options.json === true) await context.out.json({ group, removed })
    else await context.out.line(`removed ${counted(removed, 'member')} of group ${group}`)
    return exitCodes.ok
  })
}
