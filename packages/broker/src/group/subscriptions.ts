import { decodeConsumerSubscription } from '@kfk/protocol'
import type { Group } from './group.js'
import { metadataFor } from './member.js'

/**
 * The topics that members of a `consumer` group subscribe to; unknown when a member's metadata
 * cannot be read.
 */
export function subscribedTopics(group: Group): ReadonlySet<string> | 'unknown' {
  const topics = new Set<string>()
  for (const member of group.roster.members()) {
    try {
      const metadata = metadataFor(member, group.protocol ?? member.protocols[0]?.name ?? null)
      for (const topic of decodeConsumerSubscription(metadata).topics) topics.add(topic)
    } catch {
      return 'unknown'
    }
  }
  return topics
}
