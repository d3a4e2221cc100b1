// kcat 1.7 (librdkafka 2.0.2) against our broker. KFK_INTEROP=kafka runs the same against Apache
// Kafka.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { batches, type CompressionType } from '@kfk/protocol'
import { kcat, peers, startInteropBroker, withPeer, type InteropBroker } from '../../src/index'

const json = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

withPeer(peers.kcat(), 'kcat', () => {
  let broker: InteropBroker
  beforeAll(async () => {
    broker = await startInteropBroker()
  })
  afterAll(() => broker.stop())

  /** Output of a run that must succeed. */
  async function run(args: readonly string[], stdin = ''): Promise<string> {
    const { code, stdout, stderr } = await kcat(broker.bootstrap, args, { stdin })
    expect({ args, code, stderr }).toMatchObject({ code: 0 })
    return stdout
  }

  const consume = (topic: string, ...args: string[]): Promise<string> =>
    run(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', ...args])

  async function createTopic(
    name: string,
    partitions = 1,
    configs: Record<string, string> = {},
  ): Promise<void> {
    await using admin = createAdmin({ brokers: broker.bootstrap })
    await admin.createTopics([{ name, partitions, configs }])
  }

  test('-L lists brokers, the controller, topics and partitions', async () => {
    await createTopic('listed', 3)
    const [cluster] = json(await run(['-L', '-J']))
    const [host, port] = broker.bootstrap.split(':')
    expect(cluster).toMatchObject({
      controllerid: 1,
      brokers: [{ id: 1, name: `${host}:${port}` }],
    })
    const partition = { leader: 1, replicas: [{ id: 1 }], isrs: [{ id: 1 }] }
    expect(cluster!.topics).toContainEqual({
      topic: 'listed',
      partitions: [0, 1, 2].map((index) => ({ partition: index, ...partition })),
    })
    const text = await run(['-L', '-t', 'listed'])
    expect(text).toContain(`broker 1 at ${broker.bootstrap} (controller)`)
    expect(text).toContain('topic "listed" with 3 partitions:')
  })

  test('keys, headers, empty values, tombstones and timestamps come back as they went', async () => {
    const before = Date.now()
    await run(
      ['-P', '-t', 'shapes', '-K:', '-H', 'a=1', '-H', 'none=', '-H', 'a=ü'],
      'k1:v1\nk2:v:2\n',
    )
    await run(['-P', '-t', 'shapes', '-K:'], ':nokey\nempty:\n')
    await run(['-P', '-t', 'shapes', '-K:', '-Z'], 'gone:\n')
    const records = json(await consume('shapes', '-J'))
    const headers = ['a', '1', 'none', '', 'a', 'ü']
    const common = { topic: 'shapes', partition: 0, tstype: 'create', broker: 1 }
    expect(records).toMatchObject([
      { ...common, offset: 0, key: 'k1', payload: 'v1', headers },
      { ...common, offset: 1, key: 'k2', payload: 'v:2', headers },
      { ...common, offset: 2, key: '', payload: 'nokey' },
      { ...common, offset: 3, key: 'empty', payload: '' },
      { ...common, offset: 4, key: 'gone', payload: null },
    ])
    for (const { ts } of records) {
      expect(ts).toBeGreaterThanOrEqual(before)
      expect(ts).toBeLessThanOrEqual(Date.now())
    }
    const formatted = await consume('shapes', '-f', '%t/%p/%o key=%k(%K) %s(%S) %h\\n')
    expect(formatted.split('\n')).toEqual([
      'shapes/0/0 key=k1(2) v1(2) a=1,none=,a=ü',
      'shapes/0/1 key=k2(2) v:2(3) a=1,none=,a=ü',
      'shapes/0/2 key=(0) nokey(5) ',
      'shapes/0/3 key=empty(5) (0) ',
      'shapes/0/4 key=gone(4) (-1) ',
      '',
    ])
  })

  test.each<CompressionType>(['gzip', 'snappy', 'lz4', 'zstd'])('-z %s', async (codec) => {
    const topic = `codec-${codec}`
    await createTopic(topic)
    const lines = Array.from({ length: 500 }, (_, n) => `${codec} record number ${n}\n`).join('')
    // One large batch: librdkafka keeps batches that do not shrink as they are.
    await run(['-P', '-t', topic, '-z', codec, '-X', 'linger.ms=200'], lines)
    expect(await consume(topic)).toBe(lines)
    // From the middle of a batch.
    expect(await consume(topic, '-o', '250', '-c', '1')).toBe(`${codec} record number 250\n`)
    const file = path.join(broker.dataDir, `${topic}-0`, '00000000000000000000.log')
    const kept = [...batches(fs.readFileSync(file))].map(({ header }) => header.compression)
    expect(kept).toContain(codec)
  })

  test('-o: beginning, end, offsets, the last N', async () => {
    await run(['-P', '-t', 'places'], 'a\nb\nc\nd\ne\n')
    expect(await consume('places')).toBe('a\nb\nc\nd\ne\n')
    expect(await consume('places', '-o', '3')).toBe('d\ne\n')
    expect(await consume('places', '-o', '-2')).toBe('d\ne\n')
    expect(await consume('places', '-o', 'end')).toBe('')
    expect(await consume('places', '-o', '1', '-c', '2')).toBe('b\nc\n')
    // Beyond the end: reset as auto.offset.reset says.
    expect(await consume('places', '-o', '99', '-X', 'auto.offset.reset=earliest', '-c', '1')).toBe(
      'a\n',
    )
  })

  test('-Q and -o s@..e@: offsets by time', async () => {
    {
      await using producer = createProducer({ brokers: broker.bootstrap })
      const at = (timestamp: number) => ({ value: `at ${timestamp}`, partition: 0, timestamp })
      await createTopic('timed', 2)
      await producer.send('timed', [at(1000), at(2000), at(3000)])
      await producer.send('timed', [at(4000), at(5000)])
    }
    const query = async (time: number): Promise<string> =>
      (await run(['-Q', '-t', `timed:0:${time}`])).trim()
    expect(await query(1)).toBe('timed [0] offset 0')
    expect(await query(2001)).toBe('timed [0] offset 2')
    expect(await query(5000)).toBe('timed [0] offset 4')
    expect(await query(5001)).toBe('timed [0] offset -1')
    expect((await run(['-Q', '-t', 'timed:1:1'])).trim()).toBe('timed [1] offset -1')
    const range = ['-p', '0', '-o', 's@2000', '-o', 'e@4000']
    expect(await consume('timed', ...range)).toBe('at 2000\nat 3000\n')
  })

  test.each(['0', '1', 'all'])('-X acks=%s', async (acks) => {
    const topic = `acks-${acks}`
    await createTopic(topic)
    await run(['-P', '-t', topic, '-X', `acks=${acks}`], 'one\ntwo\n')
    // Without acks kcat ends before the broker has read what it sent.
    const follow = ['-C', '-q', '-t', topic, '-o', 'beginning', '-c', '2']
    expect(await run(follow)).toBe('one\ntwo\n')
  })

  test('-X enable.idempotence=true', async () => {
    const lines = Array.from({ length: 1000 }, (_, n) => `${n}\n`).join('')
    const small = ['-X', 'batch.num.messages=10', '-X', 'enable.idempotence=true']
    await run(['-P', '-t', 'idempotent', ...small], lines)
    expect(await consume('idempotent')).toBe(lines)
    const file = path.join(broker.dataDir, 'idempotent-0', '00000000000000000000.log')
    const headers = [...batches(fs.readFileSync(file))].map(({ header }) => header)
    expect(headers.length).toBeGreaterThanOrEqual(100)
    expect(headers.map(({ baseSequence }) => baseSequence)).toEqual(
      headers.map(({ baseOffset }) => baseOffset),
    )
    expect(headers[0]!.producerId).toBeGreaterThanOrEqual(0n)
  })

  describe('messages of a megabyte and more', () => {
    let dir: string
    beforeAll(() => {
      dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-kcat-'))
    })
    afterAll(() => fs.rmSync(dir, { recursive: true }))

    function file(bytes: number): string {
      const name = path.join(dir, String(bytes))
      fs.writeFileSync(name, 'x'.repeat(bytes))
      return name
    }

    test('pass where the topic allows them', async () => {
      await createTopic('large', 1, { 'max.message.bytes': '6000000' })
      const sizes = [900_000, 5_000_000, 1, 3_000_000]
      const limit = ['-X', 'message.max.bytes=6000000']
      await run(['-P', '-t', 'large', ...limit, ...sizes.map(file)])
      const read = await consume('large', '-f', '%S\\n')
      expect(read.trim().split('\n').map(Number)).toEqual(sizes)
    })

    test('are refused clearly where it does not', async () => {
      await createTopic('small')
      const args = ['-P', '-t', 'small', '-X', 'message.max.bytes=3000000', file(2_000_000)]
      const { code, stderr } = await kcat(broker.bootstrap, args)
      expect(code).not.toBe(0)
      expect(stderr).toContain('Message size too large')
      await run(['-P', '-t', 'small'], 'still served\n')
      expect(await consume('small')).toBe('still served\n')
    })
  })

  test('the time of appending, where the topic says so', async () => {
    await createTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' })
    await run(['-P', '-t', 'stamped', '-z', 'lz4'], `${'stamped '.repeat(50)}\n`)
    expect(json(await consume('stamped', '-J'))).toMatchObject([{ tstype: 'logappend' }])
  })

  test('a transaction is committed, and is read by those who read committed records', async () => {
    await createTopic('transacted', 1)
    await run(['-P', '-t', 'transacted', '-X', 'transactional.id=t1'], 'x\n')
    const args = ['-J', '-X', 'isolation.level=read_committed']
    expect(json(await consume('transacted', ...args))).toMatchObject([{ payload: 'x' }])
  })
})
