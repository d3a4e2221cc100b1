/** Kafka's command line tools, many in one JVM. */
import { startProcess } from './child.js'
import { warmKafka } from './warm-kafka.js'

export interface JavaTools {
  /**
   * Runs the `main` of a tool, one at a time; gives what it printed and its exit code. For classes
   * see {@link javaTool}, which gives a tool a JVM of its own, as those need that stay up or meet
   * others.
   */
  run(
    className: string,
    args: readonly string[],
    stdin?: string,
  ): Promise<{ readonly code: number; readonly output: string }>
  stop(): Promise<void>
}

const encode = (word: string): string => Buffer.from(word, 'utf8').toString('base64')

/** Starts the JVM. */
export async function startJavaTools(): Promise<JavaTools> {
  const java = startProcess('java', [...(await warmKafka()).tools, 'RunTools'])
  await java.waitFor(/^#ready$/m, 60_000)
  let seen = java.output().length
  let number = 0
  const runNow = async (words: readonly string[]) => {
    java.child.stdin!.write(`${words.map(encode).join(' ')}\n`)
    number += 1
    const match = await java.waitFor(new RegExp(`\n#exit ${number} (\\d+)\n`), 60_000)
    const output = match.input.slice(seen, match.index)
    seen = match.index + match[0].length
    return { code: Number(match[1]), output }
  }
  let queue: Promise<unknown> = Promise.resolve()
  return {
    run: (className, args, stdin = '') => {
      const result = queue.then(() => runNow([stdin, className, ...args]))
      queue = result.catch(() => undefined)
      return result
    },
    stop: async () => {
      await java.stop('SIGKILL')
    },
  }
}
