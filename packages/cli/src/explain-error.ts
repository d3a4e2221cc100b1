import { CliError, exitCodes } from './errors.js'

/** An error as a user reads it. */
export interface Explanation {
  /** One line, with what it was about. */
  readonly message: string
  /** What to do, if that can be told. */
  readonly hint: string | undefined
  readonly exitCode: number
}

/** What to do about errors of the libraries, by `code`. */
const hintByCode: Readonly<Record<string, string>> = {
  KFK_CLIENT_NOT_KAFKA: 'check host and port: something else listens there, or it wants TLS',
  KFK_CLIENT_TIMEOUT: 'the cluster is slow or partly away: look at it with `kfk topic list`',
  KFK_BROKER_CLUSTER: 'give each cluster a data directory of its own (--data-dir)',
  KFK_COORDINATION_LOCKED: 'stop the process that has it, or take another --data-dir',
  KFK_LOADER_GAP: '--skip-missing records the gap and goes on',
  KFK_LOADER_DAMAGED: 'kfk verify TOPIC --to TARGET lists all of it',
  KFK_LOADER_NO_TARGET: 'check the address and that the NameNode is up',
  KFK_STORE_CORRUPT: 'kfk dump --quiet DIR shows where, kfk dump --repair DIR mends it',
}

/** What to do about errors that a broker answered with, by Kafka's name of them. */
const hintByKafkaName: Readonly<Record<string, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: '`kfk topic list` shows the topics there are',
  TOPIC_ALREADY_EXISTS: '--if-not-exists leaves an existing topic as it is',
  NON_EMPTY_GROUP: 'stop its members first; `kfk groups describe` shows them',
  GROUP_ID_NOT_FOUND: '`kfk groups list` shows the groups there are',
}

/** Their messages say all; what the system called it would only repeat it. */
const selfContained: ReadonlySet<string> = new Set([
  'KFK_CLIENT_UNREACHABLE',
  'KFK_BROKER_PORT_IN_USE',
])

/** Nothing was done, because what was asked for cannot be right. */
const usageCodes: ReadonlySet<string> = new Set([
  'KFK_CLI_USAGE',
  'KFK_CLIENT_INVALID_ARGUMENT',
  'KFK_BROKER_INVALID_CONFIG',
  'KFK_BROKER_INSECURE',
  'KFK_LOADER_INVALID_ARGUMENT',
])

/** Says in one line what went wrong, and in another one what to do. */
export function explainError(error: unknown): Explanation {
  const code = textOf(error, 'code')
  const kafkaName = textOf(error, 'kafkaName')
  const hint =
    (error instanceof CliError ? error.hint : undefined) ??
    (kafkaName === undefined ? undefined : hintByKafkaName[kafkaName]) ??
    (code === undefined ? undefined : hintByCode[code])
  const usage = code !== undefined && usageCodes.has(code)
  return {
    message: oneLine(withCauses(error)),
    hint: hint ?? causeHint(error),
    exitCode: usage ? exitCodes.usage : exitCodes.failed,
  }
}

/** A broker wraps what its store says; the advice is about the inner one. */
function causeHint(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined
  const code = textOf(cause, 'code')
  if (code === 'KFK_STORE_LOCKED') {
    return 'stop the process that uses it, or take another directory with --data-dir'
  }
  return code === undefined ? undefined : hintByCode[code]
}

/** The message, and those of its causes that it does not repeat. */
function withCauses(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  let text = error.message === '' ? error.name : error.message
  const code = textOf(error, 'code')
  let cause = code !== undefined && selfContained.has(code) ? undefined : error.cause
  for (let depth = 0; depth < 4 && cause instanceof Error; depth++) {
    if (cause.message !== '' && !text.includes(cause.message)) text += `: ${cause.message}`
    cause = cause.cause
  }
  return text
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim()
}

function textOf(error: unknown, name: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const value = (error as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : undefined
}
