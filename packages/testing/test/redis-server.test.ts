import net from 'node:net'
import { redisServerPeer, type RedisServer, startRedisServer } from '../src/redis-server.js'
import { withPeer } from '../src/peers.js'

/** One inline command on a connection of its own; the raw reply. */
function command(server: RedisServer, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(`${text}\r\n`))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString().trim())
    })
  })
}

withPeer(redisServerPeer(), 'redis-server fixture', () => {
  test('state survives stop, restart and kill, and goes back to what was remembered', async () => {
    const server = await startRedisServer()
    try {
      expect(await command(server, 'SET k one')).toBe('+OK')
      const rollBack = server.remember()
      await command(server, 'SET k two')
      await server.restart()
      expect(await command(server, 'GET k')).toMatch(/two$/)
      await server.kill()
      await expect(command(server, 'PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      await server.start()
      expect(await command(server, 'GET k')).toMatch(/two$/)
      await rollBack()
      expect(await command(server, 'GET k')).toMatch(/one$/)
    } finally {
      await server.close()
    }
  })

  test('a frozen server takes connections, and answers when it thaws', async () => {
    const server = await startRedisServer({ appendonly: false })
    try {
      server.freeze()
      let answered = false
      const pending = command(server, 'PING').finally(() => (answered = true))
      await new Promise(setImmediate)
      expect(answered).toBe(false)
      server.thaw()
      expect(await pending).toBe('+PONG')
    } finally {
      await server.close()
    }
  })
})
