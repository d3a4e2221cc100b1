import type { Admin, CallOptions, ConfigEntry } from '@kfk/client'
import { Argument, type Command } from 'commander'
import { addBrokersOption, withAdmin, type ConnectionOptions } from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { exitCodes, usageError } from '../errors.js'
import { assignment } from '../option-parsers.js'
import { renderTable } from '../table.js'

const groupExamples = `
Examples:
  kfk configs describe topic page-views
  kfk configs set topic page-views retention.ms=3600000
  kfk configs unset topic page-views retention.ms
  kfk configs set broker all message.max.bytes=2000000     every broker, at once`

const describeExamples = `
SOURCE says where a value comes from: topic, dynamic-broker (this broker), dynamic-default-broker
(all brokers), static-broker (the start of the broker) or default.

Examples:
  kfk configs describe topic page-views
  kfk configs describe topic page-views --all
  kfk configs describe broker 1 --all --json
  kfk configs describe broker all`

const setExamples = `
What cannot be honoured, or not be changed while a broker runs, is refused with the reason.

Examples:
  kfk configs set topic page-views retention.ms=3600000 cleanup.policy=delete
  kfk configs set broker 1 max.connections=500
  kfk configs set topic page-views retention.ms=1 --dry-run`

const unsetExamples = `
Examples:
  kfk configs unset topic page-views retention.ms
  kfk configs unset broker all message.max.bytes`

type Kind = 'topic' | 'broker'

interface ConfigsOptions extends ConnectionOptions {
  readonly all?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

const kind = new Argument('<type>', 'of what').choices(['topic', 'broker'])
const nameOf = 'name of a topic, node id of a broker, or "all" brokers'

export function addConfigsCommand(program: Command, context: CommandContext): void {
  const configs = program
    .command('configs')
    .description('Describe and change configs of topics and brokers.')
    .addHelpText('after', groupExamples)
  addBrokersOption(configs.command('describe'))
    .description('Show configs, and where their values come from.')
    .addArgument(kind)
    .argument('<name>', nameOf)
    .option('--all', 'configs that have their default value, too')
    .option('--json', 'print JSON')
    .addHelpText('after', describeExamples)
    .action(
      action(context, (type: Kind, name: string, options: ConfigsOptions) =>
        withAdmin(options, context, async (admin, bounds) => {
          const entries = await entriesOf(admin, { type, name }, { ...bounds, ...options })
          await print(entries, options, context)
          return exitCodes.ok
        }),
      ),
    )
  addChange(configs.command('set'), 'Set configs.', '<name=value...>', setExamples).action(
    action(context, (type: Kind, name: string, texts: string[], options: ConfigsOptions) =>
      alter({ type, name, set: valuesOf(texts) }, options, context),
    ),
  )
  addChange(
    configs.command('unset'),
    'Return configs to what holds without.',
    '<config...>',
    unsetExamples,
  ).action(
    action(context, (type: Kind, name: string, unset: string[], options: ConfigsOptions) =>
      alter({ type, name, unset }, options, context),
    ),
  )
}

function addChange(command: Command, description: string, what: string, help: string): Command {
  return addBrokersOption(command)
    .description(description)
    .addArgument(kind)
    .argument('<name>', nameOf)
    .argument(what, "configs by Kafka's names")
    .option('--dry-run', 'only check whether it can be done')
    .option('--json', 'print JSON')
    .addHelpText('after', help)
}

function valuesOf(texts: readonly string[]): Record<string, string> {
  let values: Record<string, string> = {}
  for (const text of texts) {
    if (text.indexOf('=') <= 0) throw usageError(`"${text}" is not of the form name=value`)
    values = assignment(text, values)
  }
  return values
}

interface Resource {
  readonly type: Kind
  readonly name: string
}

/** The default of all brokers has an empty name. */
function resourceOf({ type, name }: Resource): Resource {
  return { type, name: type === 'broker' && name === 'all' ? '' : name }
}

async function entriesOf(
  admin: Admin,
  resource: Resource,
  { all = false, signal, timeoutMs }: CallOptions & { readonly all?: boolean },
): Promise<readonly ConfigEntry[]> {
  const options = { signal, timeoutMs, synonyms: true }
  const [described] = await admin.describeConfigs([resourceOf(resource)], options)
  return (described?.entries ?? [])
    .filter(({ source }) => all || source !== 'default')
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

async function print(
  entries: readonly ConfigEntry[],
  options: ConfigsOptions,
  { out, colors, note }: CommandContext,
): Promise<void> {
  if (options.json === true) return out.json(entries)
  if (entries.length === 0) {
    note('nothing is set: --all shows what holds by default')
    return
  }
  const rows = entries.map(({ name, value, source, readOnly }) => [
    name,
    value ?? '-',
    source,
    readOnly ? 'at the start' : 'any time',
  ])
  const columns = ['CONFIG', 'VALUE', 'SOURCE', 'CHANGES'].map((name) => ({ name }))
  await out.line(renderTable(columns, rows, colors))
}

function alter(
  change: Resource & {
    readonly set?: Readonly<Record<string, string>>
    readonly unset?: readonly string[]
  },
  options: ConfigsOptions,
  context: CommandContext,
): Promise<number> {
  const validateOnly = options.dryRun === true
  return withAdmin(options, context, async (admin, bounds) => {
    await admin.alterConfigs([{ ...change, ...resourceOf(change) }], { ...bounds, validateOnly })
    const { type, name, set = {}, unset = [] } = change
    if (options.json === true) {
      await context.out.json({ type, name, set, unset, changed: !validateOnly })
      return exitCodes.ok
    }
    for (const [config, value] of Object.entries(set)) {
      await context.out.line(`${type} ${name}: ${config}=${value}`)
    }
    for (const config of unset) await context.out.line(`${type} ${name}: ${config} is unset`)
    if (validateOnly) await context.out.line('nothing was changed: it can be done')
    return exitCodes.ok
  })
}
