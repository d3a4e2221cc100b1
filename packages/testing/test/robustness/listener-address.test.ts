/* Beyond loopback only with the explicit flag, and never an advertised address that nobody can connect to. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createBroker } from '@kfk/broker'
import { createAdmin } from '@kfk/client'
import { runKfkBroker } from './support/broker-process.js'

let dataDir: string
beforeEach(() => {
  dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-listener-'))
})
afterEach(() => fs.rmSync(dataDir, { recursive: true, force: true }))

test.each(['0.0.0.0', '::', '192.0.2.1', 'broker.example.com'])(
  'listening on %s needs the flag',
  async (host) => {
    await expect(createBroker({ dataDir, port: 0, host })).rejects.toMatchObject({
      code: 'KFK_BROKER_INSECURE',
      message: expect.stringContaining('--allow-insecure'),
    })
    await expect(
      createBroker({ dataDir, config: { listeners: `PLAINTEXT://:0` } }),
    ).rejects.toMatchObject({ code: 'KFK_BROKER_INSECURE' })
  },
)

test('a broker on 0.0.0.0 is told to clients under the name of the machine', async () => {
  const options = { dataDir, port: 0, host: '0.0.0.0', allowInsecure: true }
  await using broker = await createBroker(options)
  expect(broker.host).toBe(os.hostname())
  await using admin = createAdmin({ brokers: [`127.0.0.1:${broker.port}`] })
  const { brokers } = await admin.describeCluster()
  expect(brokers).toMatchObject([{ host: os.hostname(), port: broker.port }])
})

test('an advertised address is taken as given, unless nobody can connect to it', async () => {
  const options = { dataDir, port: 0, host: '0.0.0.0', allowInsecure: true }
  for (const advertisedHost of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0']) {
    await expect(createBroker({ ...options, advertisedHost })).rejects.toMatchObject({
      code: 'KFK_BROKER_INVALID_CONFIG',
      message: expect.stringContaining(`clients cannot connect to ${advertisedHost}`),
    })
  }
  await using broker = await createBroker({ ...options, advertisedHost: 'localhost' })
  expect(broker.brokers).toEqual([`localhost:${broker.port}`])
})

test('the command says what is missing, and what clients are told', async () => {
  const args = ['--port', '0', '--data-dir', dataDir, '--host', '0.0.0.0']
  const refused = await runKfkBroker(args).exited
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain('--allow-insecure')
  const running = runKfkBroker([...args, '--allow-insecure'])
  try {
    const [line] = await running.waitFor(/^listening on .*$/m)
    expect(line).toMatch(/^listening on 0\.0\.0\.0:\d+ /)
    expect(line).toContain(`advertised as ${os.hostname()}:`)
  } finally {
    await running.stop()
  }
})
