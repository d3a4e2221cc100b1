#!/usr/bin/env node
import { once } from 'node:events'
import { createRequire } from 'node:module'
import path from 'node:path'
import { runMainJob } from './main-job.js'
import { parseOptions, usage, UsageError } from './options.js'

const require = createRequire(import.meta.url)

/**
 * 0: all numbers agree. 1: they do not, or something failed. 2: the command line cannot be right.
 */
async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2))
    if (options === 'help') {
      process.stdout.write(usage)
      return 0
    }
    const kfk = path.join(path.dirname(require.resolve('@kfk/cli/package.json')), 'dist', 'bin.js')
    const untilStopped = async (): Promise<void> => {
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
    }
    return (await runMainJob(options, { kfk, screen: process.stdout, untilStopped })) ? 0 : 1
  } catch (error) {
    console.error(process.env.KFK_DEBUG ? error : (error as Error).message)
    return error instanceof UsageError ? 2 : 1
  }
}

process.exit(await main())
