import fs from 'node:fs'
import path from 'node:path'
import { linesOf } from './input-lines.js'
import { UsageError, type Options } from './options.js'
import { sampleLog } from './sample-log.js'

export interface Input {
  /** For messages. */
  readonly name: string
  readonly lines: AsyncIterable<string | undefined>
}

/**
 * Opens the input that the options name.
 * @throws UsageError for a file that cannot be read
 */
export function openInput({
  input,
  seed,
  lines,
}: Pick<Options, 'input' | 'seed' | 'lines'>): Input {
  if (input === undefined) {
    const sample = async function* () {
      yield* sampleLog({ seed, lines })
    }
    return { name: `a sample of ${lines} lines (seed ${seed})`, lines: sample() }
  }
  if (input === '-') return { name: 'standard input', lines: linesOf(process.stdin) }
  try {
    if (!fs.statSync(input).isFile()) throw new Error('it is not a file')
    fs.accessSync(input, fs.constants.R_OK)
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'there is no such file'
        : (error as Error).message
    throw new UsageError(`Cannot read --input ${input}: ${why}.`)
  }
  return { name: path.basename(input), lines: linesOf(fs.createReadStream(input)) }
}
