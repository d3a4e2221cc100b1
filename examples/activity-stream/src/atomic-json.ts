import fs from 'node:fs'
import path from 'node:path'

/**
 * Replaces a small JSON file as a whole: temporary file, fsync, rename. What is there is the old or
 * the new value.
 */
export function writeJson(file: string, value: unknown): void {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const temporary = `${file}.tmp`
  const handle = fs.openSync(temporary, 'w')
  try {
    fs.writeSync(handle, JSON.stringify(value))
    fs.fdatasyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
  fs.renameSync(temporary, file)
}

/** Undefined when there is no such file. */
export function readJson<T>(file: string): T | undefined {
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as T) : undefined
}
