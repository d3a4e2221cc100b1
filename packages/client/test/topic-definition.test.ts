import { ClientError } from '../src/errors.js'
import { bytes, json, string } from '../src/serdes.js'
import type { StandardSchemaV1 } from '../src/standard-schema.js'
import { defineTopic } from '../src/topic-definition.js'

interface PageView {
  url: string
  at: Date
}

/** Takes `{ url, at: string }`, gives `{ url, at: Date }`; refuses an empty url. */
const pageView: StandardSchemaV1<{ url: string; at: string }, PageView> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const { url, at } = value as { url: string; at: string }
      if (url === '') return { issues: [{ message: 'is empty', path: ['url'] }] }
      return { value: { url, at: new Date(at) } }
    },
  },
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('defineTopic', () => {
  test('carries the types of serdes and schemas', async () => {
    const topic = defineTopic('views', { key: string(), value: pageView, partitions: 8 })
    const written = topic.value.serialize({ url: '/', at: '2026-01-01T00:00:00.000Z' })
    expect(written).toBe('{"url":"/","at":"2026-01-01T00:00:00.000Z"}')
    const read: PageView | Promise<PageView> = topic.value.deserialize(
      encode(String(await written)),
    )
    expect(read).toEqual({ url: '/', at: new Date('2026-01-01') })
    const key: string | Promise<string> = topic.key.deserialize(encode('k'))
    expect(key).toBe('k')
    expect(topic.partitions).toBe(8)
    // @ts-expect-error a number is not the schema's input
    expect(() => topic.value.serialize({ url: '', at: 5 })).toThrow('url: is empty')
  })

  test('keys are bytes unless said otherwise', () => {
    const topic = defineTopic('t', { value: json<number[]>() })
    const key = new Uint8Array([1])
    expect(topic.key.serialize(key)).toBe(key)
  })

  test('an asynchronous schema gives promises', async () => {
    const later: StandardSchemaV1<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) => (value === 1 ? { value } : { issues: [{ message: 'not one' }] }),
      },
    }
    const topic = defineTopic('t', { value: later })
    await expect(topic.value.serialize(1)).resolves.toBe('1')
    await expect(topic.value.serialize(2)).rejects.toThrow('not one')
    await expect(topic.value.deserialize(encode('1'))).resolves.toBe(1)
  })

  test('refuses impossible names, partitions and formats', () => {
    const value = json()
    for (const name of ['', '.', 'a/b', 'x'.repeat(250)]) {
      expect(() => defineTopic(name, { value })).toThrow(ClientError)
    }
    expect(() => defineTopic('t', { value, partitions: 0 })).toThrow('positive number')
    expect(() => defineTopic('t', { value: {} as never })).toThrow('needs a serde')
  })
})

describe('serdes', () => {
  test('text that is not UTF-8 is refused when read', () => {
    expect(() => string().deserialize(new Uint8Array([0xff]))).toThrow()
  })

  test('a byte order mark is kept', () => {
    expect(string().deserialize(encode('\ufeffa'))).toBe('\ufeffa')
  })

  test('values without a JSON form are refused', () => {
    expect(() => json().serialize(undefined)).toThrow('no JSON form')
    expect(() => json().serialize(() => 1)).toThrow('no JSON form')
  })

  test('the wrong type is refused', () => {
    expect(() => string().serialize(1 as never)).toThrow('expected a string')
    expect(() => bytes().serialize('x' as never)).toThrow('expected a Uint8Array')
  })
})
