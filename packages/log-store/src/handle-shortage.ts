import { isOutOfHandles } from './errors.js'
import type { LogHost } from './log-host.js'

/** Until somebody has closed a file. */
const retryMs = 100
const retries = 10

/**
 * Runs `work`, which can be begun again, until it finds the handles that it needs, for a second at
 * most: for what must not stay half done. The first retry is at once, with handles of our own that
 * are not in use.
 */
export async function despiteShortage<Result>(
  host: LogHost,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await work()
    } catch (error) {
      const lacking = isOutOfHandles(error) || isOutOfHandles((error as Error).cause)
      if (!lacking || tries > retries) throw error
      host.files.giveBack()
      if (tries > 0) {
        await new Promise<void>((resolve) => {
          host.clock.setTimer(retryMs, resolve, { keepsAlive: true })
        })
      }
    }
  }
}
