/**
 * Topics that the brokers keep for themselves. Clients see them, but cannot delete or grow them.
 */
export const CONSUMER_OFFSETS_TOPIC = '__consumer_offsets'
export const TRANSACTION_STATE_TOPIC = '__transaction_state'
/** The metadata log: described by no topic image, created by no client. */
export const METADATA_TOPIC = '__kfk_metadata'
/** The same in Kafka: a name that tools take for it. */
export const KAFKA_METADATA_TOPIC = '__cluster_metadata'

const MAX_LENGTH = 249
const LEGAL = /^[a-zA-Z0-9._-]+$/

/**
 * Why a name cannot name a topic, in Kafka's words; undefined when it can. Names become
 * directories: every path checks.
 */
export function topicNameProblem(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > MAX_LENGTH) {
    return (
      'Topic name is invalid: the length of the name is longer than the max allowed length ' +
      `${MAX_LENGTH}`
    )
  }
  if (!LEGAL.test(name)) {
    return (
      'Topic name is invalid: it contains one or more characters other than ASCII ' +
      'alphanumerics, ".", "_" and "-"'
    )
  }
  return undefined
}

/** Whether a topic is the brokers' own. */
export function isInternalTopic(name: string): boolean {
  return name === CONSUMER_OFFSETS_TOPIC || name === TRANSACTION_STATE_TOPIC
}

/**
 * What two topics that collide have in common: metric names turn '.' into '_', so Kafka refuses a
 * topic that differs from another in that alone.
 */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_')
}
