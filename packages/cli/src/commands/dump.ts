import { Option, type Command } from 'commander'
import { action, type CommandContext } from '../context.js'
import { counted } from '../counted.js'
import { exitCodes } from '../errors.js'
import { dumpPath, type DumpSettings } from '../dump/dump-path.js'

const examples = `
Takes segments (.log), indexes (.index, .timeindex), checkpoints, and partition and data directories
with all that is in them. Every batch is read and its checksum verified, every index entry compared
with the log. What is wrong is said on a line that begins with PROBLEM and names file and position;
then the exit status is 1. Nothing is changed. A log that is being written may show a batch that is
cut short at its end.

Examples:
  kfk dump kfk-data/page-views-0/00000000000000000000.log
  kfk dump --records kfk-data/page-views-0
  kfk dump --records kfk-data/__consumer_offsets-17     who has committed what
  kfk dump --quiet kfk-data                             only what is wrong, and summaries
  kfk dump --format frame my-embedded-log`

interface DumpOptions {
  readonly records?: boolean
  readonly quiet?: boolean
  readonly format: DumpSettings['format']
}

/** Lines printed at once. */
const chunkLines = 500

export function addDumpCommand(program: Command, context: CommandContext): void {
  program
    .command('dump')
    .description('Print and check segments, indexes and checkpoints on disk.')
    .argument('<path...>', 'files, partition directories or data directories')
    .option('--records', 'print records too')
    .option('-q, --quiet', 'print problems and summaries only')
    .addOption(
      new Option('--format <name>', "of batches: Kafka's, or the frames of embedded logs")
        .choices(['kafka', 'frame'])
        .default('kafka'),
    )
    .addHelpText('after', examples)
    .action(
      action(context, (paths: string[], options: DumpOptions) => dump(paths, options, context)),
    )
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
