#!/usr/bin/env node
import { dumpSegment } from './dump.js'
import { StoreError } from './errors.js'
import { frameFormat } from './frame-format.js'
import { repairPath } from './repair-path.js'
import { describeRepair } from './repair-text.js'

// kfk-log-dump: frames and index files. Kafka's record batches need @kfk/protocol: `kfk dump`.

const usage = `usage: kfk-log-dump [--records] [--quiet] FILE...
       kfk-log-dump --repair [--dry-run] PATH...
Prints and checks .log, .index, .timeindex, .snapshot and .txnindex files of @kfk/log-store
(frame format).
--repair keeps every valid batch of a segment, a log or a directory of logs, sets aside what is not
valid, and says which offsets are lost. Nothing may have the directory open.
Exit status: 0 sound, 1 problems found (with --repair: and repaired), 2 not done.
`

const known = ['--records', '--quiet', '--repair', '--dry-run']

async function main(args: readonly string[]): Promise<number> {
  const paths = args.filter((argument) => !argument.startsWith('--'))
  const flags = args.filter((argument) => argument.startsWith('--'))
  const repairing = flags.includes('--repair')
  const contrary = repairing
    ? flags.includes('--records') || flags.includes('--quiet')
    : flags.includes('--dry-run')
  if (paths.length === 0 || contrary || !flags.every((flag) => known.includes(flag))) {
    process.stderr.write(usage)
    return 2
  }
  const problems = await (repairing ? repair(paths, flags) : dump(paths, flags))
  return problems === 0 ? 0 : 1
}

async function dump(paths: readonly string[], flags: readonly string[]): Promise<number> {
  let problems = 0
  const options = { records: flags.includes('--records'), quiet: flags.includes('--quiet') }
  for (const path of paths) {
    for await (const { text, problem } of dumpSegment(path, options)) {
      if (problem) problems++
      process.stdout.write(`${text}\n`)
    }
  }
  return problems
}

async function repair(paths: readonly string[], flags: readonly string[]): Promise<number> {
  let damaged = 0
  const options = { dryRun: flags.includes('--dry-run'), formats: [frameFormat] }
  for (const path of paths) {
    for await (const report of repairPath(path, options)) {
      if (!report.sound) damaged++
      process.stdout.write(`${describeRepair(report).join('\n')}\n`)
    }
  }
  return damaged
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
