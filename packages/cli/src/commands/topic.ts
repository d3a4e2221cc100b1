import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { addTopicAlterCommand } from './topic/alter.js'
import { addTopicCreateCommand } from './topic/create.js'
import { addTopicDeleteCommand } from './topic/delete.js'
import { addTopicDescribeCommand } from './topic/describe.js'
import { addTopicListCommand } from './topic/list.js'

const examples = `
Examples:
  kfk topic create page-views --partitions 8
  kfk topic list
  kfk topic describe page-views
  kfk topic alter page-views --partitions 16
  kfk topic delete page-views
  kfk topic create --help                options and examples of one of them`

export function addTopicCommand(program: Command, context: CommandContext): void {
  const topic = program
    .command('topic')
    .description('Create, list, describe, alter and delete topics.')
    .addHelpText('after', examples)
  addTopicCreateCommand(topic, context)
  addTopicListCommand(topic, context)
  addTopicDescribeCommand(topic, context)
  addTopicAlterCommand(topic, context)
  addTopicDeleteCommand(topic, context)
}
