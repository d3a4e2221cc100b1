import { readFileSync } from 'node:fs'
import path from 'node:path'
import { apis } from '../src/api-keys.js'
import type { Api } from '../src/api.js'
import { isArray, isStruct } from '../src/layout.js'
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../src/messages/consumer-protocol.js'
import * as consumerGroupRecords from '../src/messages/consumer-group-records.js'
import {
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../src/messages/offsets-topic.js'
import { transactionLogKey, transactionLogValue } from '../src/messages/transaction-topic.js'
import type { Schema, StructSchema } from '../src/schema.js'
import { INT64_MAX } from '../src/schema.js'
import type { Versioned } from '../src/versioned.js'

type Range = readonly [min: number, max: number]

interface Facts {
  readonly apiKey: string
  readonly versions: Range
  readonly flexible: string
  readonly fields: readonly (readonly string[])[]
}

/** Reads the fixture: what Kafka's own message definitions say. */
function readFacts(): Map<string, Facts> {
  const text = readFileSync(path.join(__dirname, 'fixtures', 'kafka-facts.tsv'), 'utf8')
  const messages = new Map<string, Facts>()
  let fields: (readonly string[])[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('//') || line === '') continue
    const cells = line.split('\t')
    if (line.startsWith('# ')) {
      fields = []
      messages.set(cells[0]!.slice(2), {
        apiKey: cells[1]!,
        versions: range(cells[2]!),
        flexible: cells[3]!,
        fields,
      })
    } else fields.push(cells)
  }
  return messages
}

function range(text: string): Range {
  const [min, max] = text.split(/[-+]/)
  if (text.endsWith('+')) return [Number(min), Infinity]
  return [Number(min), Number(max ?? min)]
}

const numbers: Readonly<Record<string, string>> = { offset: 'int64', timestamp: 'int64' }

function typeName(schema: Schema): string {
  if (isArray(schema)) return `[]${typeName(schema.of)}`
  return numbers[schema.kind] ?? schema.kind
}

function defaultText(schema: Schema): string {
  const value = schema.options.default as number | bigint | string | boolean | null | undefined
  if (value === undefined) return '-'
  if (value === INT64_MAX) return '9223372036854775807'
  return value === '' ? '""' : String(value)
}

function normalDefault(text: string): string {
  return text.startsWith('0x') ? String(Number(text)) : text
}

/** Our schema as facts, version by version, so that different ways to say the same agree. */
function fieldsAt(schema: StructSchema, version: number, prefix = ''): string[] {
  return Object.entries(schema.fields).flatMap(([name, field]) => {
    const { since = 0, until = Infinity, nullable = false, tag, ignorable = false } = field.options
    if (version < since || version > until) return []
    const canBeNull = typeof nullable === 'number' ? version >= nullable : nullable
    const isTagged = tag !== undefined && version >= (field.options.taggedSince ?? since)
    const row = [
      `${prefix}${name}`,
      typeName(field),
      canBeNull ? 'nullable' : '-',
      isTagged ? String(tag) : '-',
      defaultText(field),
      ignorable ? 'ignorable' : '-',
    ].join(' ')
    const inner = isArray(field) ? field.of : field
    return [row, ...(isStruct(inner) ? fieldsAt(inner, version, `${prefix}${name}.`) : [])]
  })
}

function factsAt(facts: Facts, version: number): string[] {
  const absent: string[] = []
  return facts.fields.flatMap(([name, type, versions, nullable, tag, value, ignorable]) => {
    const within = (text: string): boolean => version >= range(text)[0] && version <= range(text)[1]
    if (!within(versions!) || absent.some((parent) => name!.startsWith(`${parent}.`))) {
      absent.push(name!)
      return []
    }
    const [tagNumber, tagVersions] = tag!.split('@')
    return [
      [
        name,
        type,
        nullable !== '-' && within(nullable!) ? 'nullable' : '-',
        tagVersions && within(tagVersions) ? tagNumber : '-',
        normalDefault(value!),
        ignorable,
      ].join(' '),
    ]
  })
}

const facts = readFacts()

test.each(Object.values<Api>(apis))('$name has the fields of Kafka in every version', (api) => {
  for (const direction of ['request', 'response'] as const) {
    const expected = facts.get(`${api.name} ${direction}`)!
    expect(String(api.key)).toBe(expected.apiKey)
    const flexible = expected.flexible === 'none' ? Infinity : range(expected.flexible)[0]
    expect(api.flexibleSince).toBe(flexible)
    expect(api.versions[1]).toBeLessThanOrEqual(expected.versions[1])
    for (let version = api.versions[0]; version <= api.versions[1]; version += 1) {
      expect(fieldsAt(api[direction], version)).toEqual(factsAt(expected, version))
    }
  }
})

test.each([
  consumerProtocolSubscription,
  consumerProtocolAssignment,
  offsetCommitKey,
  offsetCommitValue,
  groupMetadataKey,
  groupMetadataValue,
  ...Object.values<Versioned>(consumerGroupRecords),
  transactionLogKey,
  transactionLogValue,
])('$name has the fields of Kafka in every version', (type) => {
  const expected = facts.get(type.name)!
  const isKey = type.name.endsWith('Key')
  for (let version = type.versions[0]; version <= type.versions[1]; version += 1) {
    // The number in front of a key names its kind; Kafka's definition calls it version 0.
    expect(fieldsAt(type.schema, version)).toEqual(factsAt(expected, isKey ? 0 : version))
  }
  if (!isKey) expect(type.versions).toEqual(expected.versions)
})

test('the ranges are those that the surveyed clients negotiate', () => {
  const ranges = Object.values<Api>(apis).map((api) => [api.key, ...api.versions].join(' '))
  expect(ranges.sort((a, b) => parseInt(a) - parseInt(b))).toEqual([
    '0 0 13',
    '1 4 18',
    '2 1 11',
    '3 0 13',
    '8 2 10',
    '9 1 10',
    '10 0 6',
    '11 0 9',
    '12 0 4',
    '13 0 5',
    '14 0 5',
    '15 0 6',
    '16 0 5',
    '17 0 1',
    '18 0 4',
    '19 2 7',
    '20 1 6',
    '21 0 2',
    '22 0 5',
    '23 2 4',
    '24 0 5',
    '25 0 4',
    '26 0 5',
    '27 1 2',
    '28 0 5',
    '29 1 3',
    '30 1 3',
    '31 1 3',
    '32 1 4',
    '33 0 2',
    '35 1 4',
    '36 0 2',
    '37 0 3',
    '42 0 2',
    '43 0 2',
    '44 0 1',
    '45 0 1',
    '46 0 0',
    '47 0 0',
    '48 0 1',
    '50 0 0',
    '55 0 2',
    '57 0 2',
    '60 0 2',
    '61 0 0',
    '65 0 0',
    '66 0 2',
    '67 0 0',
    '68 0 1',
    '69 0 1',
    '74 0 1',
    '75 0 0',
  ])
})
