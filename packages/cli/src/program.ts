import { Command } from 'commander'
import type { CommandContext } from './context.js'
import { version } from './version.js'

type AddCommand = (program: Command, context: CommandContext) => void

/**
 * Commands by name, in the order of the help. Loaded when needed: a broker needs no progress bar.
 */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  broker: async () => (await import('./commands/broker.js')).addBrokerCommand,
  topic: async () => (await import('./commands/topic.js')).addTopicCommand,
  produce: async () => (await import('./commands/produce.js')).addProduceCommand,
  consume: async () => (await import('./commands/consume.js')).addConsumeCommand,
  groups: async () => (await import('./commands/groups.js')).addGroupsCommand,
  configs: async () => (await import('./commands/configs.js')).addConfigsCommand,
  offsets: async () => (await import('./commands/offsets.js')).addOffsetsCommand,
  records: async () => (await import('./commands/records.js')).addRecordsCommand,
  'log-dirs': async () => (await import('./commands/log-dirs.js')).addLogDirsCommand,
  transactions: async () => (await import('./commands/transactions.js')).addTransactionsCommand,
  load: async () => (await import('./commands/load.js')).addLoadCommand,
  verify: async () => (await import('./commands/verify.js')).addVerifyCommand,
  dump: async () => (await import('./commands/dump.js')).addDumpCommand,
}

const examples = `
Examples:
  kfk broker --port 9092 --data-dir ./data       a broker; nothing else is needed
  kfk topic create page-views --partitions 8
  echo hello | kfk produce page-views
  kfk consume page-views --from earliest --max 1
  kfk load page-views --to ./out                 copies what is new, each record exactly once
  kfk help load                                  options and examples of a command

Exit status: 0 done, 1 failed or found something wrong, 2 wrong usage, 130 interrupted.
KFK_BROKERS names the brokers where --brokers is not given, KFK_DEBUG=1 adds stack traces.`

/**
 * The whole command line; only the command that `args` begin with is loaded, all of them when that
 * is none.
 */
export async function buildProgram(
  context: CommandContext,
  args: readonly string[],
): Promise<Command> {
  const program = new Command('kfk')
  program
    .description(
      'Broker, topics, produce, consume, groups, configs, load and dump: a log that speaks Kafka.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .showHelpAfterError('(kfk help, or kfk COMMAND --help, shows how)')
    .configureOutput({
      writeOut: (text) => context.io.stdout.write(text),
      writeErr: (text) => context.io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'kfk: ')),
      getOutHelpWidth: () => context.io.stdout.columns ?? 100,
      getErrHelpWidth: () => context.io.stderr.columns ?? 100,
      getOutHasColors: () => context.out.isTerminal,
      getErrHasColors: () => context.io.stderr.isTTY === true,
    })
    .addHelpText('after', examples)
  const wanted = args[0] ?? ''
  const load = Object.hasOwn(commands, wanted) ? [commands[wanted]!] : Object.values(commands)
  for (const add of await Promise.all(load.map((one) => one()))) add(program, context)
  return program
}
