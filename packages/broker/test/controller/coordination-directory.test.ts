import { memoryCoordination } from '@kfk/coordination'
import { CoordinationDirectory } from '../../src/controller/coordination-directory'
import {
  type MemberEntry,
  parseCluster,
  parseController,
  parseMember,
} from '../../src/controller/coordination-entries'
import { silentLogger } from '../../src/runtime/logger'
import { VirtualClock } from '../virtual-clock'
import { until } from './broker-group'

const member = (nodeId: number): MemberEntry => ({
  nodeId,
  host: 'h',
  port: 1,
  rack: null,
  incarnation: `i${nodeId}`,
  epochCounter: 1,
  clusterId: 'c',
  directoryId: 'd',
})
const open = (nodeId: number) => ({
  key: `brokers/${nodeId}`,
  value: JSON.stringify(member(nodeId)),
  ttlMs: 60_000,
})

test('brokers that are missing after a gap stay for one session timeout, those that end their session go at once', async () => {
  const clock = new VirtualClock()
  const shared = memoryCoordination({ clock })
  const connection = shared.connect()
  const directory = new CoordinationDirectory({
    coordination: connection,
    clock,
    logger: silentLogger,
    sessionTimeoutMs: 1000,
    onChange: () => undefined,
  })
  const ids = () => directory.members().map(({ nodeId }) => nodeId)
  const one = await shared.openSession(open(1))
  const two = await shared.openSession(open(2))
  await directory.start(1000)
  expect(ids()).toEqual([1, 2])
  await two.close()
  await until(() => ids().length === 1)
  connection.cut()
  await one.close()
  connection.heal()
  await until(() => clock.timers > 0)
  expect(ids()).toEqual([1])
  clock.advance(1001)
  expect(ids()).toEqual([])
  // One that came back in time stays.
  connection.cut()
  await shared.openSession(open(3))
  connection.heal()
  await until(() => ids().length === 1)
  clock.advance(5000)
  expect(ids()).toEqual([3])
  directory.stop()
  await connection.close()
  await shared.close()
})

test('what makes no sense in coordination is left out', async () => {
  const bad: Partial<Record<keyof MemberEntry, unknown>>[] = [
    { nodeId: -1 },
    { nodeId: 1024 },
    { host: '' },
    { host: 'a b' },
    { port: 70_000 },
    { rack: 3 },
    { incarnation: undefined },
    { epochCounter: 1.5 },
    { epochCounter: 2 ** 31 },
    { clusterId: {} },
  ]
  for (const change of bad)
    expect(parseMember(JSON.stringify({ ...member(1), ...change }))).toBeUndefined()
  expect(parseMember(JSON.stringify(member(1)))).toEqual(member(1))
  for (const text of ['', 'null', '[]', '7', '{']) {
    expect([parseMember(text), parseController(text), parseCluster(text)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  }
})
