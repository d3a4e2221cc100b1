/* The bounds of session timeouts that the broker is configured with, and the session that runs out. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createBroker } from '@kfk/broker'
import { createAdmin, createClient } from '@kfk/client'
import { apis, errorByCode } from '@kfk/protocol'
import { eventually } from '../../src/index.js'

let dataDir: string
beforeEach(() => {
  dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-sessions-'))
})
afterEach(() => fs.rmSync(dataDir, { recursive: true, force: true }))

test.each([
  [{}, [6000, 1_800_000], [5999, 1_800_001]],
  [
    { 'group.min.session.timeout.ms': '200', 'group.max.session.timeout.ms': '900' },
    [200, 900],
    [199, 901],
  ],
])('with %j sessions of %j are taken and of %j refused', async (config, taken, refused) => {
  await using broker = await createBroker({ dataDir, port: 0, config })
  await using client = createClient({ broker })
  const join = async (sessionTimeoutMs: number): Promise<string> => {
    const protocols = [{ name: 'any', metadata: new Uint8Array() }]
    const groupId = `g-${sessionTimeoutMs}`
    const body = { groupId, sessionTimeoutMs, rebalanceTimeoutMs: 1000, memberId: '' }
    const answer = await client.request(
      apis.joinGroup,
      { ...body, protocolType: 'consumer', protocols },
      { group: groupId },
      // Before members had to come twice.
      { maxVersion: 3 },
    )
    return errorByCode(answer.errorCode).name
  }
  for (const timeoutMs of taken) expect(await join(timeoutMs)).toBe('NONE')
  for (const timeoutMs of refused) expect(await join(timeoutMs)).toBe('INVALID_SESSION_TIMEOUT')
  if (taken[0]! > 1000) return
  // Nobody sends a heartbeat.
  await using admin = createAdmin({ client })
  await eventually('the silent member is gone', async () => {
    const [group] = await admin.describeGroups([`g-${taken[0]}`])
    return group!.state === 'Empty' || group!.state === 'Dead' ? true : undefined
  })
})
