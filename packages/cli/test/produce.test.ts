import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createConsumer } from '@kfk/consumer'
import { kfk, RunningCommand, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
let env: { KFK_BROKERS: string }
let lastTopic = 0
beforeAll(async () => {
  const broker = await sandbox.broker()
  env = { KFK_BROKERS: broker.brokers[0]! }
})
afterAll(() => sandbox.close())

const newTopic = () => `produced-${++lastTopic}`
const produce = (input: string | Uint8Array[], ...args: string[]) =>
  kfk(['produce', ...args], { env, input })

/** The first records of a topic of one partition. */
async function read(topic: string, count: number) {
  await using consumer = createConsumer({
    ...{ brokers: env.KFK_BROKERS, topics: [topic], from: 'earliest' },
  })
  const records = []
  for await (const record of consumer) {
    records.push({
      key: record.key && Buffer.from(record.key).toString(),
      value: record.value && Buffer.from(record.value).toString('latin1'),
      headers: record.headers.map(({ key, value }) => [
        key,
        value && Buffer.from(value).toString(),
      ]),
      timestamp: record.timestamp.getTime(),
    })
    if (records.length === count) break
  }
  return records
}

it('writes a record a line, whatever the ends of the lines and the chunks', async () => {
  const topic = newTopic()
  const input = ['one\ntw', 'o\r\n', '\n', 'l\xe4st'].map((text) => Buffer.from(text, 'latin1'))
  const { code, stdout, stderr } = await produce(input, topic)
  expect({ code, stdout, stderr }).toEqual({
    ...{ code: 0, stdout: '', stderr: `produced 4 records to ${topic}\n` },
  })
  const values = (await read(topic, 4)).map(({ key, value }) => [key, value])
  expect(values).toEqual([
    [null, 'one'],
    [null, 'two'],
    [null, ''],
    [null, 'l\xe4st'],
  ])
})

it.each(['gzip', 'snappy', 'lz4', 'zstd'])('compresses with %s', async (compression) => {
  const topic = newTopic()
  expect((await produce('a\nb\n', topic, '-q', '--compression', compression)).code).toBe(0)
  expect((await read(topic, 2)).map(({ value }) => value)).toEqual(['a', 'b'])
})

it('splits keys off and adds headers', async () => {
  const topic = newTopic()
  const args = ['-K', '\\t', '-H', 'a=1', '--headers', 'a=2=3', '--acks', '1']
  expect((await produce('k\tv\tw\n', topic, ...args)).code).toBe(0)
  expect(await read(topic, 1)).toMatchObject([
    {
      key: 'k',
      value: 'v\tw',
      headers: [
        ['a', '1'],
        ['a', '2=3'],
      ],
    },
  ])
})

it('takes JSON lines with keys, headers, timestamps, bytes and tombstones', async () => {
  const topic = newTopic()
  const input = [
    { key: 'k', value: { a: [1] }, headers: { h: 'x' }, timestamp: 1000 },
    {
      value: null,
      key: 'gone',
      headers: [
        ['h', 'x'],
        ['h', null],
      ],
    },
    { value: { base64: '/wA=' }, timestamp: '1970-01-01T00:00:02Z', topic: 'passed over' },
  ]
  const lines = `${input.map((each) => JSON.stringify(each)).join('\n')}\n\n`
  expect((await produce(lines, topic, '--json', '-H', 'all=1')).code).toBe(0)
  expect(await read(topic, 3)).toMatchObject([
    {
      key: 'k',
      value: '{"a":[1]}',
      headers: [
        ['all', '1'],
        ['h', 'x'],
      ],
      timestamp: 1000,
    },
    {
      key: 'gone',
      value: null,
      headers: [
        ['all', '1'],
        ['h', 'x'],
        ['h', null],
      ],
    },
    { key: null, value: '\xff\0', headers: [['all', '1']], timestamp: 2000 },
  ])
})

it('reads a file', async () => {
  const topic = newTopic()
  const file = join(await sandbox.directory(), 'lines')
  await writeFile(file, 'x\ny\n')
  expect((await produce('', topic, '--file', file)).code).toBe(0)
  expect((await read(topic, 2)).map(({ value }) => value)).toEqual(['x', 'y'])
  const missing = await produce('', topic, '--file', '/nowhere')
  expect(missing.code).toBe(1)
  expect(missing.stderr).toContain('/nowhere')
})

it.each([
  [['--json'], '{"value":1}\n{', /line 2: it is no JSON/],
  [['--json'], '[]', /line 1: an object/],
  [['--json'], '{"value":1,"vlaue":2}', /line 1: "vlaue" is none of/],
  [['--json'], '{"key":1}', /line 1: there is no "value"/],
  [['--json'], '{"value":1,"headers":3}', /"headers" is no object/],
  [['--json'], '{"value":1,"headers":[1]}', /not \[name, value\]/],
  [['--json'], '{"value":1,"partition":-1}', /"partition"/],
  [['--json'], '{"value":1,"timestamp":"soon"}', /"timestamp"/],
  [['-K', ':'], 'k:v\nno key', /line 2: there is no key: the separator ":"/],
])('%j of %j is an error that names the line', async (args, input, message) => {
  const { code, stderr } = await produce(input, newTopic(), ...args)
  expect(code).toBe(1)
  expect(stderr).toMatch(message)
})

it('what was read before a bad line is delivered', async () => {
  const topic = newTopic()
  const { code, stderr } = await produce('{"value":"good"}\nbad', topic, '--json')
  expect(code).toBe(1)
  expect(stderr).toContain(`produced 1 record to ${topic}`)
  expect((await read(topic, 1))[0]!.value).toBe('good')
})

it('a record that is refused is exit code 1', async () => {
  const topic = newTopic()
  const { code, stderr } = await produce(`${'x'.repeat(2_000_000)}\n`, topic)
  expect(code).toBe(1)
  expect(stderr).toContain(`produced 0 records to ${topic}`)
})

it('a partition that there is not is exit code 1', async () => {
  const topic = newTopic()
  await kfk(['topic', 'create', topic], { env })
  const { code, stderr } = await produce('x\n', topic, '--partition', '5')
  expect(code).toBe(1)
  expect(stderr).toContain('5')
})

it('Ctrl-C delivers what was read, and says that it was interrupted', async () => {
  const topic = newTopic()
  const run = new RunningCommand(['produce', topic], { env, input: endless('line\n') })
  expect(await run.stop()).toBe(130)
  expect(run.stderr.text).toMatch(/^produced \d+ records? to/)
})

/** One chunk, and then nothing for ever. */
function endless(text: string) {
  let given = false
  const next = () => {
    if (given) return new Promise<never>(() => undefined)
    given = true
    return Promise.resolve({ done: false as const, value: text })
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}
