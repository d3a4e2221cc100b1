#!/usr/bin/env node
import { dumpSegment } from './dump.js'
import { StoreError } from './errors.js'

// kfk-log-dump: frames and index files. Kafka's record batches need @kfk/protocol: `kfk dump`.

const usage = `usage: kfk-log-dump [--records] [--quiet] FILE...
Prints and checks .log, .index and .timeindex files of @kfk/log-store (frame format).
Exit status: 0 sound, 1 problems found, 2 not readable.
`

async function main(args: readonly string[]): Promise<number> {
  const paths = args.filter((argument) => !argument.startsWith('--'))
  const flags = args.filter((argument) => argument.startsWith('--'))
  const unknown = flags.find((flag) => flag !== '--records' && flag !== '--quiet')
  if (paths.length === 0 || unknown !== undefined) {
    process.stderr.write(usage)
    return 2
  }
  let problems = 0
  const options = { records: flags.includes('--records'), quiet: flags.includes('--quiet') }
  for (const path of paths) {
    for await (const { text, problem } of dumpSegment(path, options)) {
      if (problem) problems++
      process.stdout.write(`${text}\n`)
    }
  }
  return problems === 0 ? 0 : 1
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof StoreError ? error.message : String(error)}\n`)
    process.exitCode = 2
  },
)
