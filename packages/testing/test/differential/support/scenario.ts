import type { Allowance } from './compare'
import type { Peer } from './peer'

/** A script of requests that two brokers answer in the same way. */
export interface Scenario {
  /** API family and what is tried, such as `produce: unknown topics`. Unique. */
  readonly name: string
  readonly script: (peer: Peer) => Promise<void>
  /** Differences of this scenario alone that are right. */
  readonly allow: readonly Allowance[]
}

/** A scenario; the script is run once against each broker, at the same time. */
export function scenario(
  name: string,
  script: (peer: Peer) => Promise<void>,
  allow: readonly Allowance[] = [],
): Scenario {
  return { name, script, allow }
}
