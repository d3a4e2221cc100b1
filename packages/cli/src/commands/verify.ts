import { verifyLoad, type VerifyReport } from '@kfk/hadoop-loader'
import type { Command } from 'commander'
import { addBrokersOption, withClient, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { counted } from '../counted.js'
import { exitCodes } from '../errors.js'
import { targetOf, type TargetFlags } from '../load/load-options.js'
import { byteText } from '../load/report-text.js'
import { renderTable } from '../table.js'

const examples = `
Checks that of every partition the chain of loads has no gap and no overlap, that the counts of each
balance, and that every file is there with its length. With --brokers the chains must also reach the
end of the log. Exit status 1 when something is wrong.

Examples:
  kfk verify page-views searches --to ./out/hdfs
  kfk verify page-views --to ./out/hdfs --checksums
  kfk verify page-views --to http://namenode:9870/data/activity --brokers 127.0.0.1:9092`

interface VerifyCommandOptions extends ConnectionOptions, TargetFlags {
  readonly checksums?: boolean
  readonly json?: boolean
}

export function addVerifyCommand(program: Command, context: CommandContext): void {
  addBrokersOption(program.command('verify'))
    .description('Check what `kfk load` has written.')
    .argument('<topic...>', 'topics that were loaded')
    .option('--to <target>', 'directory, or http://NAMENODE:PORT/path (WebHDFS)')
    .option('--hdfs <url>', 'the same as --to')
    .option('--checksums', 'read every file, not only its length')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (topics: string[], options: VerifyCommandOptions) =>
        verify(topics, options, context),
      ),
    )
}

async function verify(
  topics: readonly string[],
  options: VerifyCommandOptions,
  context: CommandContext,
): Promise<number> {
  const target = targetOf(options)
  const { signal, out } = context
  const wanted = { target, topics, signal, checksums: options.checksums === true }
  // Only asked for by name: a target can be checked without a cluster.
  const report =
    options.brokers === undefined
      ? await verifyLoad(wanted)
      : await withClient(options, context, (client) => verifyLoad({ ...wanted, client }))
  await (options.json === true ? out.json(report) : out.line(verifyText(report, context)))
  return report.ok ? exitCodes.ok : exitCodes.failed
}

function verifyText({ ok, problems, topics }: VerifyReport, { colors }: CommandContext): string {
  const names = ['RECORDS', 'REJECTED', 'CONTROL', 'MISSING', 'FILES'] as const
  const rows = topics.map((topic) => [
    topic.topic,
    topic.records,
    topic.rejected,
    topic.control,
    topic.missing,
    topic.files,
    byteText(topic.bytes),
  ])
  const columns = [...names, 'BYTES'].map((name) => ({ name, align: 'right' as const }))
  const table = renderTable([{ name: 'TOPIC' }, ...columns], rows, colors)
  const verdict = ok ? colors.green('sound') : colors.red(counted(problems.length, 'problem'))
  return [table, ...problems.map((problem) => `PROBLEM ${problem}`), verdict].join('\n')
}
