import { Option, type Command } from 'commander'
import { action, type CommandContext } from '../context.js'
import { counted } from '../counted.js'
import { exitCodes, usageError } from '../errors.js'
import { dumpPath, type DumpSettings } from '../dump/dump-path.js'
import { repairLogs } from '../dump/repair-path.js'

const examples = `
Takes segments (.log), indexes (.index, .timeindex, .txnindex), producer snapshots (.snapshot),
checkpoints, and partition and data directories with all that is in them. Every batch is read and
its checksum verified, every index entry compared with the log. What is wrong is said on a line
that begins with PROBLEM and names file and position; then the exit status is 1. Nothing is
changed. A log that is being written may show a batch that is cut short at its end.

--repair keeps every valid batch, also behind damage. Bytes that are not valid are first set aside
beside the log (kfk.quarantine.*), then taken out; indexes are built anew. It says exactly which
offsets are lost; they are not given out again. Nothing may have the directory open. Interrupted, it
can be run again. The exit status is 1 when there was something to repair. A damaged replica is
better fetched again from one that is sound, if there is one.

Examples:
  kfk dump kfk-data/page-views-0/00000000000000000000.log
  kfk dump --records kfk-data/page-views-0
  kfk dump --records kfk-data/__consumer_offsets-17     who has committed what
  kfk dump --quiet kfk-data                             only what is wrong, and summaries
  kfk dump my-embedded-log
  kfk dump --repair --dry-run kfk-data                  what a repair would do
  kfk dump --repair kfk-data/page-views-0`

interface DumpOptions {
  readonly records?: boolean
  readonly quiet?: boolean
  readonly repair?: boolean
  readonly dryRun?: boolean
  readonly format?: DumpSettings['format']
}

/** Lines printed at once. */
const chunkLines = 500

export function addDumpCommand(program: Command, context: CommandContext): void {
  program
    .command('dump')
    .description('Print, check and repair segments, indexes and checkpoints on disk.')
    .argument('<path...>', 'files, partition directories or data directories')
    .option('--records', 'print records too')
    .option('-q, --quiet', 'print problems and summaries only')
    .option('--repair', 'repair damaged logs instead')
    .option('--dry-run', 'with --repair: say what would be done, change nothing')
    .addOption(
      new Option(
        '--format <name>',
        "of batches: Kafka's, or the frames of embedded logs; the files tell if it is left out",
      ).choices(['kafka', 'frame']),
    )
    .addHelpText('after', examples)
    .action(
      action(context, (paths: string[], options: DumpOptions) => {
        if (options.repair === true) return repair(paths, options, context)
        if (options.dryRun === true) throw usageError('--dry-run goes with --repair')
        return dump(paths, options, context)
      }),
    )
}

async function repair(
  paths: readonly string[],
  { records, quiet, dryRun = false, format }: DumpOptions,
  { out, colors, signal }: CommandContext,
): Promise<number> {
  if (records === true || quiet === true) {
    throw usageError('--repair prints what it does: leave out --records and --quiet')
  }
  let damaged = 0
  for (const path of paths) {
    for await (const { lines, report } of repairLogs(path, { format, dryRun, signal })) {
      const [head, ...rest] = lines
      if (!report.sound) damaged += 1
      await out.line([report.sound ? head : colors.red(head), ...rest].join('\n'))
    }
  }
  if (damaged === 0) return exitCodes.ok
  await out.line(`${counted(damaged, 'log')} ${dryRun ? 'to repair' : 'repaired'}`)
  return exitCodes.failed
}

async function dump(
  paths: readonly string[],
  { records = false, quiet = false, format }: DumpOptions,
  { out, colors, signal }: CommandContext,
): Promise<number> {
  let problems = 0
  let lines: string[] = []
  const flush = async (): Promise<void> => {
    if (lines.length > 0) await out.line(lines.join('\n'))
    lines = []
  }
  for (const path of paths) {
    for await (const { text, problem } of dumpPath(path, { records, quiet, format })) {
      signal.throwIfAborted()
      if (problem) problems += 1
      lines.push(problem ? colors.red(text) : text)
      if (lines.length >= chunkLines) await flush()
    }
  }
  if (problems > 0) lines.push(colors.red(`${counted(problems, 'problem')} found`))
  await flush()
  return problems === 0 ? exitCodes.ok : exitCodes.failed
}
