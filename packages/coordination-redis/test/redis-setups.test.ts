import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { redisCoordination, type RedisCoordinationOptions } from '@kfk/coordination-redis'
import {
  findProgram,
  freePorts,
  redisServerPeer,
  type RedisServer,
  startProcess,
  startRedisServer,
  withPeer,
} from '@kfk/testing'
import { Redis } from 'ioredis'

const ttlMs = 2000
let server: RedisServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

/** Collects warnings. */
function recorder() {
  const warnings: string[] = []
  const warn = (message: string): void => void warnings.push(message)
  return { warnings, logger: { debug() {}, info() {}, warn, error: warn } }
}

async function command(port: number, ...args: [string, ...string[]]): Promise<unknown> {
  const client = new Redis(port, { protocol: 2 })
  try {
    return await client.call(...args)
  } finally {
    client.disconnect()
  }
}

/** For what some builds of the server lack; in CI nothing may be missing. */
function skipAloud(reason: string): void {
  if (process.env.CI === 'true') throw new Error(reason)
  // eslint-disable-next-line no-console -- a skipped test has to be seen
  console.warn(`skipped: TLS: ${reason}`)
}

/** A session, a lease, a value and a watch work with these options. */
async function exercise(options: RedisCoordinationOptions): Promise<void> {
  const a = await redisCoordination({ feedIdleMs: 100, ...options })
  try {
    const seen: string[] = []
    const heard = new Promise<void>((resolve) => {
      void a.watch('k', {
        onChange(changes) {
          seen.push(...changes.map(({ entry }) => entry?.value ?? ''))
          resolve()
        },
      })
    })
    const session = await a.openSession({ key: 's', value: '', ttlMs })
    const lease = await a.acquireLease('l', { session, value: '' })
    await a.compareAndSet('k', { expectedVersion: 0, value: 'v', session: lease })
    await heard
    expect(seen).toEqual(['v'])
    expect((await a.list('')).map((entry) => entry.key)).toEqual(['k', 'l', 's'])
  } finally {
    await a.close()
  }
}

withPeer(redisServerPeer(), 'setups of Redis', () => {
  test('a server that may lose state is warned of, and refused when strict', async () => {
    const args = ['--maxmemory-policy', 'allkeys-lru']
    server = await startRedisServer({ appendonly: false, args })
    const { warnings, logger } = recorder()
    const coordination = await redisCoordination({ url: server.url, logger })
    await coordination.close()
    expect(warnings.map((text) => /redis: (\S+)/.exec(text)?.[1])).toEqual([
      'appendonly',
      'maxmemory-policy',
    ])
    const strict = redisCoordination({ url: server.url, durability: 'strict', logger })
    await expect(strict).rejects.toMatchObject({ code: 'KFK_COORDINATION_INVALID_VALUE' })
  })

  test('a durable server passes strict without a word', async () => {
    server = await startRedisServer()
    const { warnings, logger } = recorder()
    await exercise({ url: server.url, durability: 'strict', logger })
    expect(warnings).toEqual([])
  })

  test('a user who may neither CONFIG nor INFO is told so, and goes on', async () => {
    server = await startRedisServer()
    const rules = ['on', '>secret', '~*', '+@all', '-config', '-info']
    await command(server.port, 'ACL', 'SETUSER', 'kfk', ...rules)
    const { warnings, logger } = recorder()
    const url = `redis://kfk:secret@127.0.0.1:${server.port}`
    const redis = { enableReadyCheck: false }
    await exercise({ url, redis, durability: 'strict', logger })
    expect(warnings).toEqual([expect.stringContaining('could not be checked')])
    const wrong = redisCoordination({ url: url.replace('secret', 'wrong'), callTimeoutMs: 300 })
    await expect(wrong).rejects.toMatchObject({ code: 'KFK_COORDINATION_UNAVAILABLE' })
  })

  test('clusters on one server do not see each other, and all keys have one hash tag', async () => {
    server = await startRedisServer()
    const { url, port } = server
    const one = await redisCoordination({ url, clusterName: 'one', keyPrefix: 'app:' })
    const two = await redisCoordination({ url, clusterName: 'two', keyPrefix: 'app:' })
    await one.openSession({ key: 's', value: 'of one', ttlMs })
    await two.openSession({ key: 's', value: 'of two', ttlMs })
    expect((await one.get('s'))?.value).toBe('of one')
    const keys = (await command(port, 'KEYS', '*')) as string[]
    expect(keys.every((key) => /^app:\{kfk:(one|two)\}:[a-z]+$/.test(key))).toBe(true)
    await one.close()
    await two.close()
  })

  test('options that would break the hash tag are refused', async () => {
    for (const options of [{ clusterName: 'a}b' }, { keyPrefix: '{x}' }, { callTimeoutMs: 0 }]) {
      await expect(redisCoordination(options)).rejects.toMatchObject({
        code: 'KFK_COORDINATION_INVALID_VALUE',
      })
    }
  })

  test('Redis Cluster: scripts and feed run on the node that has the hash tag', async () => {
    server = await startRedisServer({
      args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    })
    await command(server.port, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    while (!String(await command(server.port, 'CLUSTER', 'INFO')).includes('cluster_state:ok'));
    await exercise({ cluster: { nodes: [{ host: '127.0.0.1', port: server.port }] } })
  })

  test('Sentinel: the master is asked for', async () => {
    server = await startRedisServer()
    const [port] = await freePorts(1)
    const file = path.join(server.dataDir, 'sentinel.conf')
    const monitor = `sentinel monitor kfk 127.0.0.1 ${server.port} 1`
    fs.writeFileSync(file, `port ${port}\nbind 127.0.0.1\n${monitor}\n`)
    const sentinel = startProcess(findProgram('redis-server') ?? 'redis-server', [
      file,
      '--sentinel',
    ])
    try {
      await sentinel.waitFor(/\+monitor master/)
      const redis = { sentinels: [{ host: '127.0.0.1', port: port! }], name: 'kfk' }
      await exercise({ redis })
    } finally {
      await sentinel.stop('SIGKILL')
    }
  })

  test('TLS by rediss://, and a server whose certificate is not trusted is refused', async () => {
    if (!findProgram('openssl')) {
      skipAloud('no openssl on PATH')
      return
    }
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-tls-'))
    const key = path.join(dir, 'key.pem')
    const cert = path.join(dir, 'cert.pem')
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert, ...subject], {
      stdio: 'pipe',
    })
    const [port] = await freePorts(1)
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
    const args = ['--tls-port', `${port}`, ...files, '--tls-auth-clients', 'no']
    try {
      server = await startRedisServer({ args })
    } catch (error) {
      skipAloud(`this server has no TLS: ${String(error).slice(0, 300)}`)
      return
    }
    const url = `rediss://127.0.0.1:${port}`
    await exercise({ url, redis: { tls: { ca: fs.readFileSync(cert) } } })
    await expect(redisCoordination({ url, callTimeoutMs: 500 })).rejects.toMatchObject({
      code: 'KFK_COORDINATION_UNAVAILABLE',
      cause: expect.objectContaining({ message: expect.stringMatching(/self.signed/) }),
    })
    fs.rmSync(dir, { recursive: true })
  })
})
