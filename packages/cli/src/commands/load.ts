import { planLoad, runLoad, type LoadOptions } from '@kfk/hadoop-loader'
import { Option, type Command } from 'commander'
import { addBrokersOption, withClient } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { exitCodes } from '../errors.js'
import { loadOptionsOf, type LoadCommandOptions } from '../load/load-options.js'
import { LoadProgressBar } from '../load/progress-bar.js'
import { loadText, planText } from '../load/report-text.js'
import { wholeNumber } from '../option-parsers.js'
import { StderrLogger } from '../stderr-logger.js'

const examples = `
Each run copies what came in since the last one, each record exactly once: killed at any point, the
next run goes on. Files: TARGET/TOPIC/dt=YYYY-MM-DD/hour=HH/..., by event time (UTC). Records that
are no JSON, or have no valid time, go to TARGET/TOPIC/_rejected with their reason. \`kfk verify\`
checks what a target holds.

Examples:
  kfk load page-views searches --to ./out/hdfs --time-field time
  kfk load page-views --to http://namenode:9870/data/activity --parallelism 8
  kfk load page-views --to ./out --dry-run             prints the plan, copies nothing
  kfk load page-views --to ./out --envelope --json     values with offset, key and headers`

export function addLoadCommand(program: Command, context: CommandContext): void {
  addBrokersOption(program.command('load'))
    .description('Copy topics into files, each record exactly once.')
    .argument('<topic...>', 'topics to copy')
    .option('--to <target>', 'directory, or http://NAMENODE:PORT/path (WebHDFS)')
    .option('--hdfs <url>', 'the same as --to')
    .option(
      '--time-field <path>',
      "field of the JSON value with the event time (default: the record's timestamp)",
    )
    .addOption(
      new Option('--format <name>', 'of the files').choices(['json-lines']).default('json-lines'),
    )
    .addOption(
      new Option('--compression <name>', 'of the files').choices(['gzip', 'none']).default('gzip'),
    )
    .option('--parallelism <n>', 'splits copied at once (default: 4)', wholeNumber(1, 1024))
    .option('--split-records <n>', 'most offsets of a split (default: 500000)', wholeNumber(1))
    .option(
      '--envelope',
      'wrap each value with topic, partition, offset, timestamp, key and headers',
    )
    .option('--skip-missing', 'go on over records that were deleted before they were loaded')
    .option('--dry-run', 'print what would be copied')
    .option('--json', 'print the report (or plan) as JSON')
    .addHelpText('after', examples)
    .action(
      action(context, (topics: string[], options: LoadCommandOptions) =>
        withClient(options, context, (client) =>
          load(loadOptionsOf(topics, options, client), options, context),
        ),
      ),
    )
}

async function load(
  given: LoadOptions,
  { dryRun, json }: LoadCommandOptions,
  context: CommandContext,
): Promise<number> {
  const { out, colors, io, signal } = context
  const options = { ...given, signal, logger: new StderrLogger(io.stderr, 'warn') }
  if (dryRun === true) {
    const plan = await planLoad(options)
    await (json === true ? out.json(plan) : out.line(planText(plan, colors)))
    return exitCodes.ok
  }
  const bar = new LoadProgressBar(io.stderr)
  try {
    const report = await runLoad({ ...options, onProgress: (progress) => bar.update(progress) })
    bar.stop()
    const text = () => loadText(report, { url: options.target.url, colors })
    await (json === true ? out.json(report) : out.line(text()))
    return exitCodes.ok
  } finally {
    bar.stop()
  }
}
