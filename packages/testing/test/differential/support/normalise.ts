import { batches, decodeRecords, ZERO_UUID } from '@kfk/protocol'

/**
 * What may differ between two brokers everywhere, by the name of the field: it is replaced by
 * something that must be the same. Everything else is compared as it is.
 */
const byField: Readonly<Record<string, (value: unknown, names: Names) => unknown>> = {
  // Ids are each broker's own. That the same one comes again is compared.
  topicId: (value, names) => names.id('topic', value, ZERO_UUID),
  producerId: (value, names) => names.id('producer', value, -1n),
  // Where epochs begin is each broker's own.
  leaderEpoch: (value, names) => names.id('epoch', value, -1),
  partitionLeaderEpoch: (value, names) => names.id('epoch', value, -1),
  epoch: (value, names) => names.id('epoch', value, -1),
  sessionId: (value, names) => names.id('session', value, 0),
  clusterId: (value) => (typeof value === 'string' && value !== '' ? '<cluster>' : value),
  port: (value, names) => (value === names.port ? '<port>' : value),
  // Texts for people: that there is one is compared, and not how it is put.
  errorMessage: wording,
  batchIndexErrorMessage: wording,
  documentation: wording,
  // Counts the changes of the metadata.
  finalizedFeaturesEpoch: () => '<epoch>',
  // Each has a data directory of its own, on the same volume.
  logDir: () => '<dir>',
  totalBytes: () => '<bytes>',
  usableBytes: () => '<bytes>',
}

/** Lists whose order says nothing, and what tells their elements apart. */
const unordered: Readonly<Record<string, readonly string[]>> = {
  partitions: ['partitionIndex', 'partition'],
  topics: ['name', 'topic'],
  members: ['groupInstanceId', 'memberMetadata', 'metadata'],
  responses: ['name', 'topic', 'topicId'],
}

/** Member ids: what the client is called and a random UUID. */
const withUuid = /^(.*)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** A time of now: both brokers ran in the last hour. */
const recentMs = 3_600_000

function wording(value: unknown): unknown {
  return typeof value === 'string' && value !== '' ? '<text>' : value
}

/** Ids that one broker gave out in one scenario, by the order in which they were seen. */
export class Names {
  readonly port: number
  readonly #seen = new Map<string, Map<unknown, string>>()

  constructor(port: number) {
    this.port = port
  }

  id(kind: string, value: unknown, none: unknown): unknown {
    if (value === none) return value
    let seen = this.#seen.get(kind)
    if (seen === undefined) this.#seen.set(kind, (seen = new Map<unknown, string>()))
    let name = seen.get(value)
    if (name === undefined) seen.set(value, (name = `<${kind} ${seen.size + 1}>`))
    return name
  }
}

/** A response as it is compared. */
export function normalise(value: unknown, names: Names, field = ''): unknown {
  const rule = byField[field]
  if (rule !== undefined) return rule(value, names)
  if (value instanceof Uint8Array) {
    return field === 'records' ? recordsOf(value, names) : Buffer.from(value).toString('latin1')
  }
  if (Array.isArray(value)) return inOrder(value, field).map((one) => normalise(one, names))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [name, normalise(one, names, name)]),
    )
  }
  if (typeof value === 'number') {
    return Math.abs(value - Date.now()) < recentMs ? '<now>' : value
  }
  if (typeof value === 'string') {
    const match = withUuid.exec(value)
    if (match !== null) return `${match[1]}${String(names.id('uuid', match[2], ''))}`
  }
  return value
}

function inOrder(list: readonly unknown[], field: string): readonly unknown[] {
  const keys = unordered[field]
  if (keys === undefined) return list
  const sortKey = (one: unknown): string => {
    const element = one as Record<string, string | number | undefined>
    return keys.map((key) => String(element[key] ?? '').padStart(12)).join()
  }
  return [...list].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : sortKey(a) > sortKey(b) ? 1 : 0))
}

/** Record batches with their records; not how well they are compressed. */
function recordsOf(bytes: Uint8Array, names: Names): unknown {
  return [...batches(bytes)].map((batch) => {
    const { crc: _crc, batchLength: _length, sizeInBytes, ...header } = batch.header
    const size = header.compression === 'none' ? { sizeInBytes } : {}
    return normalise({ ...header, ...size, records: decoded(batch.bytes) }, names)
  })
}

function decoded(batch: Uint8Array): unknown {
  try {
    return decodeRecords(batch).map(({ offset, timestamp, key, value, headers }) => {
      return { offset, timestamp, key, value, headers }
    })
  } catch (error) {
    return error instanceof Error ? error.message : error
  }
}
