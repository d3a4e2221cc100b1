import { Option, type Command } from 'commander'
import type { BrokerCommandOptions } from '../broker/run-broker.js'
import { action, type CommandContext } from '../context.js'
import { assignment, wholeNumber } from '../option-parsers.js'
import { logLevels } from '../stderr-logger.js'

const examples = `
Settings come from --config, then --set, then the other options; the last one wins. When it serves
it prints one line: listening on HOST:PORT (...). SIGTERM or Ctrl-C stop it cleanly, a second one at
once. With --processes it is the line of them all, each has a port, a node id and a directory in
--data-dir of its own, and one that dies is started again.

Examples:
  kfk broker                                          127.0.0.1:9092, data in ./kfk-data
  kfk broker --port 0 --data-dir /tmp/kfk             a free port, printed
  kfk broker --processes 4                            ports 9092 to 9095, one cluster
  kfk broker --set num.partitions=8 --set log.retention.hours=48
  kfk broker --config server.properties --durability os
  kfk broker --node-id 2 --port 9093 --data-dir ./data-2 --coordination redis://127.0.0.1:6379
  kfk broker --host 0.0.0.0 --advertised-host broker-1.example.com --allow-insecure`

const maxPort = 65_535
/** More than cores are no use. */
const maxProcesses = 128

export function addBrokerCommand(program: Command, context: CommandContext): void {
  program
    .command('broker')
    .description('Run a broker.')
    .option(
      '-p, --port <port>',
      'port to listen on; 0: a free one (default: 9092)',
      wholeNumber(0, maxPort),
    )
    .option(
      '-d, --data-dir <dir>',
      'where the logs are; locked while it runs (default: ./kfk-data)',
    )
    .option('--host <host>', 'address to listen on (default: 127.0.0.1)')
    .option(
      '--advertised-host <host>',
      'address that clients are told (default: --host; for 0.0.0.0 the name of the machine)',
    )
    .option('--advertised-port <port>', 'port that clients are told', wholeNumber(1, maxPort))
    .option('--allow-insecure', 'listen beyond loopback although there is no authentication')
    .option(
      '--node-id <n>',
      'number of this broker in its cluster, 0 to 1023 (default: 1)',
      wholeNumber(0, 1023),
    )
    .option(
      '--processes <n>',
      'run so many brokers as one cluster; ports and node ids count up',
      wholeNumber(1, maxProcesses),
    )
    .addOption(new Option('--supervised').hideHelp())
    .option('--rack <name>', 'where it stands (broker.rack)')
    .option('--config <file>', "settings by Kafka's names, as in server.properties")
    .option('--set <name=value>', "a setting by Kafka's name; repeatable", assignment)
    .addOption(
      new Option(
        '--durability <where>',
        'when a record is acknowledged: on disk, or in the OS',
      ).choices(['disk', 'os']),
    )
    .option(
      '--coordination <url>',
      'how brokers find each other: file, memory, redis://HOST:PORT, rediss://...',
      'file',
    )
    .option('--cluster <name>', 'name of the cluster in Redis (default: default)')
    .addOption(
      new Option('--log-level <level>', 'what is logged on standard error')
        .choices(logLevels)
        .default('info'),
    )
    .addHelpText('after', examples)
    .action(
      action(context, async (options: BrokerCommandOptions) => {
        // Who only looks after brokers need not load one.
        if (options.processes !== undefined) {
          const { runProcesses } = await import('../broker/run-processes.js')
          return runProcesses(options, context)
        }
        const { runBroker } = await import('../broker/run-broker.js')
        return runBroker(options, context)
      }),
    )
}
