import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { addGroupsDeleteCommand } from './groups/delete.js'
import { addGroupsDeleteOffsetsCommand } from './groups/delete-offsets.js'
import { addGroupsDescribeCommand } from './groups/describe.js'
import { addGroupsListCommand } from './groups/list.js'
import { addGroupsRemoveMembersCommand } from './groups/remove-members.js'
import { addGroupsResetCommand } from './groups/reset.js'

const examples = `
Examples:
  kfk groups list
  kfk groups describe counters                     members, partitions, lag
  kfk groups reset counters --to earliest          shows what would change; --execute does it
  kfk groups delete counters`

export function addGroupsCommand(program: Command, context: CommandContext): void {
  const groups = program
    .command('groups')
    .description('List, describe, reset and delete consumer groups.')
    .addHelpText('after', examples)
  addGroupsListCommand(groups, context)
  addGroupsDescribeCommand(groups, context)
  addGroupsResetCommand(groups, context)
  addGroupsDeleteOffsetsCommand(groups, context)
  addGroupsRemoveMembersCommand(groups, context)
  addGroupsDeleteCommand(groups, context)
}
