/** kcat, the command line client on librdkafka. */
import { runProcess, type Finished, type RunOptions } from './child.js'

/** Runs `kcat -b BOOTSTRAP ARGS`. */
export function kcat(
  bootstrap: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return runProcess('kcat', ['-b', bootstrap, ...args], options)
}
