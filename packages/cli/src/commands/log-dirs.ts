import type { LogDir } from '@kfk/client'
import type { Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { counted } from '../counted.js'
import { exitCodes } from '../errors.js'
import { collect, partitionList } from '../option-parsers.js'
import { renderTable } from '../table.js'

const examples = `
BYTES is what the log of a partition takes on disk.

Examples:
  kfk log-dirs
  kfk log-dirs --topic page-views --json
  kfk log-dirs --broker 1,2`

interface LogDirsOptions extends ConnectionOptions {
  readonly topic?: readonly string[]
  readonly broker?: readonly number[]
  readonly json?: boolean
}

export function addLogDirsCommand(program: Command, context: CommandContext): void {
  addBrokersOption(program.command('log-dirs'))
    .description('Show how large partitions are on the disks of the brokers.')
    .option('--topic <name>', 'only this one; repeatable', collect)
    .option('--broker <ids>', 'only of these brokers, such as 1,3', partitionList)
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (options: LogDirsOptions) =>
        withAdmin(options, context, async (admin, bounds) => {
          const { topic: topics, broker: nodeIds } = options
          const dirs = await admin.describeLogDirs({
            ...bounds,
            ...(topics !== undefined && { topics }),
            ...(nodeIds !== undefined && { nodeIds }),
          })
          if (options.json === true) await context.out.json(dirs)
          else for (const dir of dirs) await context.out.line(textOf(dir, context))
          return exitCodes.ok
        }),
      ),
    )
}

function textOf(dir: LogDir, { colors }: CommandContext): string {
  const { nodeId, path, partitions, usableBytes } = dir
  const bytes = partitions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n)
  const left = usableBytes === undefined ? '' : `, ${usableBytes} bytes free`
  const count = counted(partitions.length, 'partition')
  const title = `${colors.bold(`broker ${nodeId}`)}  ${path}, ${count}, ${bytes} bytes${left}`
  if (partitions.length === 0) return title
  const rows = partitions.map(({ topic, partition, sizeBytes }) => [topic, partition, sizeBytes])
  rows.sort((a, b) => (a[0]! < b[0]! ? -1 : a[0]! > b[0]! ? 1 : Number(a[1]) - Number(b[1])))
  const right = { align: 'right' as const }
  const columns = [{ name: 'TOPIC' }, ...['PARTITION', 'BYTES'].map((name) => ({ name, ...right }))]
  return [title, renderTable(columns, rows, colors)].join('\n')
}
