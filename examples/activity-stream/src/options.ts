import path from 'node:path'
import { parseArgs } from 'node:util'

export interface Options {
  /** A file, `-` for standard input, or undefined for the generated sample. */
  readonly input: string | undefined
  readonly lines: number
  readonly seed: number
  readonly chaos: boolean
  readonly coordination: string | undefined
  readonly hdfs: string | undefined
  readonly keep: boolean
  /** Absolute. */
  readonly out: string
}

export const usage = `The main job of kfk: page views in, counted online by a consumer group, loaded offline in parallel, and the numbers agree.

  npm start -- [options]

  --input FILE                an access log in Apache's combined format; - reads standard input
  --lines N, --seed N         size and seed of the sample that is made up when there is no input (20000, 1)
  --coordination redis://HOST:PORT
                              three broker processes over Redis instead of three brokers in this process
  --hdfs http://NAMENODE:9870/path
                              load into a real HDFS over WebHDFS instead of a local folder
  --chaos                     brokers in processes of their own; kills a broker and the loader in the middle, and puts a
                              kafkajs client into the group: the numbers must agree all the same
  --keep                      leave the brokers up at the end and say how to look around
  --out DIR                   where everything is kept (./out, ./out/chaos, ./out/redis or ./out/chaos-redis)
  --help

Examples
  npm start
  npm start -- --input access.log
  zcat access.log.*.gz | npm start -- --input -
  npm start -- --chaos --input access.log
`

/** What the user typed cannot be right; the message says what to do. */
export class UsageError extends Error {}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parse(args)
  if (values.help) return 'help'
  const chaos = values.chaos ?? false
  const { coordination, hdfs } = values
  if (coordination !== undefined && !/^rediss?:\/\/./.test(coordination)) {
    throw new UsageError(`--coordination takes redis://HOST:PORT, not '${coordination}'.`)
  }
  if (hdfs !== undefined && !/^https?:\/\/[^/]+/.test(hdfs)) {
    throw new UsageError(`--hdfs takes http://NAMENODE:PORT/path, not '${hdfs}'.`)
  }
  // A cluster of one shape does not open the data of another.
  const mode = [chaos ? 'chaos' : '', coordination ? 'redis' : ''].filter(Boolean).join('-')
  return {
    input: values.input,
    lines: count('--lines', values.lines ?? '20000'),
    seed: count('--seed', values.seed ?? '1'),
    chaos,
    coordination,
    hdfs,
    keep: values.keep ?? false,
    out: path.resolve(values.out ?? path.join('out', mode)),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        input: { type: 'string' },
        lines: { type: 'string' },
        seed: { type: 'string' },
        chaos: { type: 'boolean' },
        coordination: { type: 'string' },
        hdfs: { type: 'string' },
        keep: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nnpm start -- --help shows the options.`)
  }
}

function count(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`${name} takes a whole number, not '${text}'.`)
}
