import type { OutputStream } from './io.js'

export const logLevels = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof logLevels)[number]

/** Logs one line each: time, level, message, fields. */
export class StderrLogger {
  readonly #stream: OutputStream
  readonly #level: number
  readonly #source: string

  /**
   * @param source - who logs, where several processes log into one stream
   */
  constructor(stream: OutputStream, level: LogLevel, source?: string) {
    this.#stream = stream
    this.#level = logLevels.indexOf(level)
    this.#source = source === undefined ? '' : `${source}: `
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#log('debug', message, fields)
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#log('info', message, fields)
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#log('warn', message, fields)
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#log('error', message, fields)
  }

  #log(level: LogLevel, message: string, fields: Record<string, unknown> = {}): void {
    if (logLevels.indexOf(level) > this.#level) return
    const parts = [new Date().toISOString(), level.toUpperCase().padEnd(5), this.#source + message]
    for (const [name, value] of Object.entries(fields)) {
      const text = fieldText(value)
      // Messages often end with what their error says.
      if (text !== undefined && !message.includes(text)) parts.push(`${name}=${text}`)
    }
    this.#stream.write(`${parts.join(' ').replace(/\s*\n\s*/g, ' ')}\n`)
  }
}

function fieldText(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    return undefined
  }
  if (value instanceof Error) return value.message
  if (typeof value === 'string') return /[\s"=]/.test(value) ? JSON.stringify(value) : value
  if (typeof value === 'bigint') return String(value)
  return JSON.stringify(value, (_name, each: unknown) =>
    typeof each === 'bigint' ? String(each) : each,
  )
}
