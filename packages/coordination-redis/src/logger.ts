/** Where the adapter reports. Fields never hold values or passwords. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

const warn = (message: string, fields?: Record<string, unknown>): void =>
  process.emitWarning(fields ? `${message} ${JSON.stringify(fields)}` : message, 'KfkWarning')

/** Warnings of the process; nothing less. */
export const warningLogger: Logger = { debug() {}, info() {}, warn, error: warn }
