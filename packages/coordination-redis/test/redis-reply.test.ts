import type { Coordination } from '@kfk/coordination'
import { redisCoordination } from '@kfk/coordination-redis'
import { redisServerPeer, type RedisServer, startRedisServer, withPeer } from '@kfk/testing'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { parseEntry, parseFeed, parseScriptReply } from '../src/redis-reply.js'

test('whatever the server answers, the reply is either read or refused as damaged', () => {
  const wild = fc.oneof(
    fc.anything(),
    fc.array(
      fc.oneof(
        fc.constant(null),
        fc.string(),
        fc.uint8Array().map((b) => Buffer.from(b)),
      ),
    ),
    fc.array(fc.tuple(fc.string(), fc.array(fc.tuple(fc.string(), fc.array(fc.string()))))),
  )
  fc.assert(
    fc.property(wild, fc.string(), (reply, text) => {
      const reads = [
        () => parseScriptReply(reply),
        () => parseFeed(reply),
        () => parseEntry('k', text, 10),
        () => parseEntry('k', `1 0 -\n${text}`, 10),
      ]
      for (const read of reads) {
        try {
          read()
        } catch (error) {
          expect(error).toMatchObject({ code: 'KFK_COORDINATION_INVALID_VALUE' })
        }
      }
    }),
    { seed: 1 },
  )
})

test('an entry is read as written; numbers beyond 2^53 - 1 and half plain entries are refused', () => {
  expect(parseEntry('k', '7 0 -\na\nb', 10)).toEqual({ key: 'k', value: 'a\nb', version: 7 })
  expect(parseEntry('k', '7 3 id\n', 10)).toEqual({ key: 'k', value: '', version: 7, epoch: 3 })
  for (const stored of [
    '',
    '7 0 -',
    '0 0 -\n',
    '9007199254740992 0 -\n',
    '7 3 -\n',
    '7 0 id\n',
    '-1 0 -\n',
    '7 0 -\n12345678901',
  ]) {
    expect(() => parseEntry('k', stored, 10)).toThrow(
      expect.objectContaining({ code: 'KFK_COORDINATION_INVALID_VALUE' }),
    )
  }
})

withPeer(redisServerPeer(), 'state written by others', () => {
  const tag = '{kfk:default}'
  let server: RedisServer
  let client: Redis
  let coordination: Coordination
  beforeAll(async () => {
    server = await startRedisServer()
    client = new Redis(server.port)
  })
  afterAll(async () => {
    client.disconnect()
    await server.close()
  })
  beforeEach(async () => {
    await client.flushall()
    coordination = await redisCoordination({ url: server.url, feedIdleMs: 50, maxValueBytes: 1000 })
  })
  afterEach(() => coordination.close())

  test('a damaged entry is refused when read, and replaced by a write', async () => {
    await coordination.compareAndSet('k', { expectedVersion: 0, value: 'v' })
    const bad = ['nonsense', `1 0 -\n${'x'.repeat(1001)}`, Buffer.from('1 0 -\n\xff', 'latin1')]
    for (const stored of bad) {
      await client.hset(`${tag}:entries`, 'k', stored)
      for (const call of [coordination.get('k'), coordination.list('')]) {
        await expect(call).rejects.toMatchObject({ code: 'KFK_COORDINATION_INVALID_VALUE' })
      }
    }
    await client.hset(`${tag}:entries`, 'k', 'nonsense')
    await coordination.compareAndSet('k', { expectedVersion: 0, value: 'repaired' })
    expect((await coordination.get('k'))?.value).toBe('repaired')
  })

  test('keys of another type are refused, not overwritten', async () => {
    await client.del(`${tag}:entries`)
    await client.set(`${tag}:entries`, 'of another program')
    await expect(coordination.get('k')).rejects.toMatchObject({
      code: 'KFK_COORDINATION_INVALID_VALUE',
      retriable: false,
    })
    expect(await client.get(`${tag}:entries`)).toBe('of another program')
  })

  test('a part of the state evicted counts as all of it lost: sessions end, versions go on', async () => {
    for (const evicted of ['counters', 'entries', 'index', 'sessions', 'deadlines', 'owned']) {
      const lost = new Promise<string>((resolve) => {
        const onLost = (reason: { code: string }) => resolve(reason.code)
        void coordination.openSession({ key: 's', value: '', ttlMs: 600, replace: true, onLost })
      })
      while (!(await coordination.get('s')));
      const before = (await coordination.get('s'))?.version ?? 0
      await client.del(`${tag}:${evicted}`)
      expect(await lost).toBe('KFK_COORDINATION_SESSION_EXPIRED')
      expect(await coordination.list('')).toEqual([])
      const entry = await coordination.compareAndSet('k', { expectedVersion: 0, value: '' })
      expect(entry?.version).toBeGreaterThan(before)
      await coordination.compareAndSet('k', { expectedVersion: entry?.version ?? 0, value: null })
    }
  })

  test('a watch that fell behind the trimmed stream has a gap', async () => {
    let gaps = 0
    const gap = new Promise<void>((resolve) => {
      void coordination.watch('', {
        onChange() {},
        onGap() {
          gaps++
          resolve()
        },
      })
    })
    await coordination.get('k')
    const trim = async (): Promise<void> => {
      await coordination.compareAndSet('k', { expectedVersion: 0, value: '' })
      const version = (await coordination.get('k'))?.version ?? 0
      await coordination.compareAndSet('k', { expectedVersion: version, value: null })
    }
    // The step and the trimming in one transaction: the feed has no chance to read between them.
    const id = `${1000 + Number(await client.hget(`${tag}:counters`, 'version'))}`
    await client
      .multi()
      .hset(`${tag}:counters`, 'version', id)
      .xtrim(`${tag}:changes`, 'MAXLEN', 0)
      .exec()
    await gap
    await trim()
    expect(gaps).toBeGreaterThan(0)
  })
})
