import { createReadStream } from 'node:fs'
import { createProducer, type Producer } from '@kfk/producer'
import type { CompressionType } from '@kfk/protocol'
import { InvalidArgumentError, Option, type Command } from 'commander'
import {
  addBrokersOption,
  callTimeoutMs,
  clientOptions,
  type ConnectionOptions,
} from '../connection.js'
import { action, type CommandContext } from '../context.js'
import { counted } from '../counted.js'
import { exitCodes, failure } from '../errors.js'
import { pair, unescape, wholeNumber } from '../option-parsers.js'
import { splitLines } from '../records/line-splitter.js'
import { parseRecord, type RecordForm } from '../records/parse-record.js'

const examples = `
Each line of the input is a record. With --json it is an object: {"key": ..., "value": ...,
"headers": {...}}, and optionally "partition" and "timestamp". A value that is no text is written as
its JSON, null is a tombstone, {"base64": "..."} stands for bytes. Exit status 1 when a record was
not delivered.

Examples:
  echo hello | kfk produce page-views
  kfk produce page-views --file views.txt --key-separator : --compression zstd
  echo '{"key":"u1","value":{"page":"/"}}' | kfk produce page-views --json --headers source=web
  kfk consume page-views --from earliest --to-end --json | kfk produce copy --json`

interface ProduceOptions extends ConnectionOptions {
  readonly file?: string
  readonly keySeparator?: string
  readonly partition?: number
  readonly headers?: readonly (readonly [string, string])[]
  readonly compression: CompressionType
  readonly acks: '0' | '1' | 'all'
  readonly json?: boolean
  readonly quiet?: boolean
}

export function addProduceCommand(program: Command, context: CommandContext): void {
  addBrokersOption(program.command('produce'))
    .description('Write records from standard input or a file, one a line.')
    .argument('<topic>', 'made by the broker if it is missing and auto.create.topics.enable is set')
    .option('-f, --file <file>', 'read this instead of standard input')
    .option(
      '-K, --key-separator <text>',
      'what ends the key in a line (\\t, \\n... are understood)',
      separator,
    )
    .option(
      '-p, --partition <n>',
      "partition of all records (default: by the key's hash)",
      wholeNumber(0),
    )
    .option('-H, --headers <name=value>', 'a header of all records; repeatable', pair)
    .addOption(
      new Option('-z, --compression <name>', 'of record batches')
        .choices(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
        .default('none'),
    )
    .addOption(
      new Option('-a, --acks <who>', 'who must have a record before it counts as delivered')
        .choices(['0', '1', 'all'])
        .default('all'),
    )
    .option('--json', 'lines are objects with key, value and headers')
    .option('-q, --quiet', 'do not say how many records were produced')
    .addHelpText('after', examples)
    .action(
      action(context, (topic: string, options: ProduceOptions) => produce(topic, options, context)),
    )
}

function separator(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.')
  return unescape(text)
}

async function produce(
  topic: string,
  options: ProduceOptions,
  context: CommandContext,
): Promise<number> {
  const { io, signal, note } = context
  const tally = new Tally()
  const producer = createProducer({
    ...clientOptions(options, context),
    acks: options.acks === 'all' ? 'all' : options.acks === '1' ? 1 : 0,
    compression: options.compression,
    onPostFailure: (error, { count }) => tally.addLost(error, count),
    maxBlockMs: callTimeoutMs,
  })
  const input = options.file === undefined ? io.stdin : createReadStream(options.file)
  if (options.file === undefined && io.stdin.isTTY === true) {
    note(`one record a line into ${topic}; Ctrl-D ends`)
  }
  try {
    await postLines(producer, abortable(input, signal), { topic, form: formOf(options), tally })
  } catch (error) {
    tally.fail(error)
  }
  // What was read is delivered even when the rest cannot be.
  await producer.flush().catch((error: unknown) => tally.fail(error))
  await producer.close()
  if (options.quiet !== true)
    note(`produced ${counted(tally.posted - tally.lost, 'record')} to ${topic}`)
  if (tally.error !== undefined) throw tally.asError()
  return signal.aborted ? exitCodes.interrupted : exitCodes.ok
}

/** What became of the records. */
class Tally {
  posted = 0
  lost = 0
  /** The first one. */
  error: unknown

  addLost(error: unknown, count: number): void {
    this.fail(error)
    this.lost += count
  }

  fail(error: unknown): void {
    this.error ??= error
  }

  asError(): unknown {
    if (this.lost === 0) return this.error
    const records = this.lost === 1 ? '1 record was' : `${this.lost} records were`
    return failure(`${records} not delivered`, { cause: this.error })
  }
}

function formOf({ keySeparator, json, partition, headers }: ProduceOptions): RecordForm {
  return {
    keySeparator: keySeparator === undefined ? undefined : Buffer.from(keySeparator),
    json: json === true,
    partition,
    headers: headers ?? [],
  }
}

/** Ends early when a record was lost. */
async function postLines(
  producer: Producer,
  input: AsyncIterable<Uint8Array | string>,
  { topic, form, tally }: { topic: string; form: RecordForm; tally: Tally },
): Promise<void> {
  let lineNumber = 0
  for await (const line of splitLines(input)) {
    lineNumber += 1
    const record = parseRecord(line, form, lineNumber)
    if (record === undefined) continue
    const roomy = producer.post(topic, record)
    tally.posted += 1
    if (!roomy) await producer.ready
    if (tally.error !== undefined) return
  }
}

/** Ends when the signal fires, whatever the input does. */
async function* abortable(
  input: AsyncIterable<Uint8Array | string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array | string, void, undefined> {
  const iterator = input[Symbol.asyncIterator]()
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  for (;;) {
    const next = await Promise.race([iterator.next(), aborted])
    if (next === undefined || next.done === true) break
    yield next.value
  }
  if (signal.aborted) void iterator.return?.()
}
