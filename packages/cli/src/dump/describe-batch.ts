import {
  decodeRecords,
  ProtocolError,
  readBatchHeader,
  readControlRecord,
  type DecodedRecord,
} from '@kfk/protocol'
import { describeInternalRecord } from './internal-records.js'

export interface DescribeSettings {
  /** Internal topics have keys and values of their own. */
  readonly topic: string
  readonly records: boolean
}

export interface BatchDescription {
  readonly text?: string
  readonly records?: Iterable<string>
}

/** Longest part of a key or value that is printed, characters. */
const maxShown = 2000

/** What record batches say besides offsets and sizes, and their records. */
export function batchDescriber({ topic, records }: DescribeSettings) {
  return (bytes: Uint8Array): BatchDescription => {
    const header = readBatchHeader(bytes)
    const facts = [
      header.compression === 'none' ? '' : `compression ${header.compression}`,
      header.timestampType === 'LogAppendTime' ? 'LogAppendTime' : '',
      header.producerId < 0n
        ? ''
        : `producer ${header.producerId}:${header.producerEpoch} sequence ${header.baseSequence}`,
      header.isTransactional ? 'transactional' : '',
      header.isControl ? 'control' : '',
    ]
    const text = facts.filter((fact) => fact !== '').join(' ')
    return {
      ...(text !== '' && { text }),
      ...(records && { records: recordLines(bytes, { topic, isControl: header.isControl }) }),
    }
  }
}

function* recordLines(
  bytes: Uint8Array,
  { topic, isControl }: { readonly topic: string; readonly isControl: boolean },
): Generator<string, void, undefined> {
  for (const record of decodeRecords(bytes, { verifyChecksum: false })) {
    const { offset, timestamp, headers } = record
    const names = headers.map(({ key, value }) => `${key}=${dataText(value)}`)
    const content = isControl ? controlText(record) : contentText(topic, record)
    const suffix = names.length === 0 ? '' : ` headers ${names.join(', ')}`
    yield `offset ${offset} timestamp ${timestamp} ${content}${suffix}`
  }
}

function controlText(record: DecodedRecord): string {
  try {
    const marker = readControlRecord(record)
    if (marker !== undefined) {
      return `marker ${marker.type}, coordinator epoch ${marker.coordinatorEpoch}`
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  return 'control record of another kind'
}

function contentText(topic: string, record: DecodedRecord): string {
  const { key, value } = record
  return (
    describeInternalRecord(topic, record) ??
    `key ${dataText(key)} value ${value === null ? 'tombstone' : dataText(value)}`
  )
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function dataText(bytes: Uint8Array | null): string {
  if (bytes === null) return '-'
  let text: string
  try {
    text = JSON.stringify(utf8.decode(bytes))
  } catch {
    text = `0x${Buffer.from(bytes).toString('hex')}`
  }
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}... (${bytes.length} bytes)`
}
