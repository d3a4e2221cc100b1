import {
  decodeVersioned,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
  peekVersion,
  ProtocolError,
  type DecodedRecord,
} from '@kfk/protocol'

type KeyAndValue = Pick<DecodedRecord, 'key' | 'value'>

/** A record of an internal topic in words; undefined for other topics and for what is not known. */
export function describeInternalRecord(topic: string, record: KeyAndValue): string | undefined {
  try {
    if (topic === '__consumer_offsets') return describeOffsetsRecord(record)
    if (topic === '__kfk_metadata') return describeMetadataRecord(record)
  } catch (error) {
    if (!(error instanceof ProtocolError) && !(error instanceof SyntaxError)) throw error
  }
  return undefined
}

function describeOffsetsRecord({ key, value }: KeyAndValue): string | undefined {
  if (key === null) return undefined
  const kind = peekVersion(key)
  if (kind === 0 || kind === 1) return describeOffset(key, value)
  return kind === 2 ? describeGroup(key, value) : undefined
}

function describeOffset(key: Uint8Array, value: Uint8Array | null): string {
  const { group, topic, partition } = decodeVersioned(offsetCommitKey, key)
  const subject = `offset of group ${JSON.stringify(group)} in ${topic}-${partition}:`
  if (value === null) return `${subject} deleted`
  const { offset, leaderEpoch, metadata, commitTimestamp } = decodeVersioned(
    offsetCommitValue,
    value,
    { newer: 'as-latest' },
  )
  const note = metadata === '' ? '' : ` metadata ${JSON.stringify(metadata)}`
  return `${subject} ${offset} epoch ${leaderEpoch} committed at ${commitTimestamp}${note}`
}

function describeGroup(key: Uint8Array, value: Uint8Array | null): string {
  const { group } = decodeVersioned(groupMetadataKey, key)
  const subject = `group ${JSON.stringify(group)}:`
  if (value === null) return `${subject} deleted`
  const { generation, protocolType, protocol, leader, members } = decodeVersioned(
    groupMetadataValue,
    value,
    { newer: 'as-latest' },
  )
  const facts = [`generation ${generation}`, `type ${JSON.stringify(protocolType)}`]
  if (protocol !== null) facts.push(`protocol ${protocol}`)
  if (leader !== null) facts.push(`leader ${leader}`)
  const names = members.map(({ memberId, clientId }) => `${memberId} (${clientId})`)
  return `${subject} ${facts.join(' ')} members [${names.join(', ')}]`
}

/** Values are JSON with a type. */
function describeMetadataRecord({ value }: KeyAndValue): string | undefined {
  if (value === null) return undefined
  const { type, ...rest } = JSON.parse(Buffer.from(value).toString('utf8')) as Record<
    string,
    unknown
  >
  return `${typeof type === 'string' ? type : 'unknown'} ${JSON.stringify(rest)}`
}
