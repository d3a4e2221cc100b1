/* eslint-disable no-console -- kafkajs writes its log there */
import { logLevel } from './enums.js'

/** One line of the log. */
export interface LogEntry {
  namespace: string
  level: logLevel
  label: string
  log: LoggerEntryContent
}

/** Beside time and message, whatever the line is about. */
export interface LoggerEntryContent {
  readonly timestamp: string
  readonly message: string
  [key: string]: unknown
}

/** Makes the function that takes the lines of a log. */
export type logCreator = (logLevel: logLevel) => (entry: LogEntry) => void

/** A log, or a part of one that has a name. */
export interface Logger {
  info: (message: string, extra?: object) => void
  error: (message: string, extra?: object) => void
  warn: (message: string, extra?: object) => void
  debug: (message: string, extra?: object) => void
  namespace: (namespace: string, logLevel?: logLevel) => Logger
  setLogLevel: (logLevel: logLevel) => void
}

/** Lines of JSON on the console: what kafkajs does unless it is given another `logCreator`. */
const consoleLog: logCreator =
  () =>
  ({ namespace, level, label, log }) => {
    const prefix = namespace === '' ? '' : `[${namespace}] `
    const line = JSON.stringify({ level: label, ...log, message: `${prefix}${log.message}` })
    if (level === logLevel.ERROR) console.error(line)
    else if (level === logLevel.WARN) console.warn(line)
    else if (level === logLevel.INFO) console.info(line)
    else console.log(line)
  }

/** The environment variable KAFKAJS_LOG_LEVEL goes before what the program says. */
function effectiveLevel(level: logLevel): logLevel
function effectiveLevel(level: logLevel | undefined): logLevel | undefined
function effectiveLevel(level: logLevel | undefined): logLevel | undefined {
  const name = (process.env['KAFKAJS_LOG_LEVEL'] ?? '').toUpperCase()
  const levels: Readonly<Record<string, logLevel | undefined>> = {
    NOTHING: logLevel.NOTHING,
    ERROR: logLevel.ERROR,
    WARN: logLevel.WARN,
    INFO: logLevel.INFO,
    DEBUG: logLevel.DEBUG,
  }
  return levels[name] ?? level
}

/**
 * The log of one `Kafka` object. Its namespaces share the level unless they have one of their own.
 */
export function createLogger(level: logLevel, create: logCreator = consoleLog): Logger {
  let shared = effectiveLevel(level)
  const write = create(shared)
  const make = (namespace: string, own: logLevel | undefined): Logger => {
    const line =
      (label: string, lineLevel: logLevel) =>
      (message: string, extra: object = {}): void => {
        if (lineLevel > (own ?? shared)) return
        const timestamp = new Date().toISOString()
        const log = { timestamp, logger: 'kafkajs', message, ...extra }
        write({ namespace, level: lineLevel, label, log })
      }
    return {
      info: line('INFO', logLevel.INFO),
      error: line('ERROR', logLevel.ERROR),
      warn: line('WARN', logLevel.WARN),
      debug: line('DEBUG', logLevel.DEBUG),
      namespace: (name, nameLevel) => make(name, effectiveLevel(nameLevel)),
      setLogLevel: (newLevel) => {
        shared = newLevel
      },
    }
  }
  return make('', undefined)
}
