/* SIGTERM while producers and a group are at work: nothing acknowledged is lost, and the end is soon. */
import { createAdmin } from '@kfk/client'
import { BrokerProcesses } from './support/broker-process.js'
import { GroupMember } from './support/group-member.js'
import { Traffic } from './support/traffic.js'

test('a broker stopped under load three times ends with 0 each time, and keeps every promise', async () => {
  const brokers = await BrokerProcesses.start(1, ['--set', 'group.min.session.timeout.ms=500'])
  const [broker] = brokers.all
  const topic = { topic: 'events', partitions: 4 }
  await using admin = createAdmin({ brokers: brokers.addresses })
  await admin.createTopics([{ name: topic.topic, partitions: topic.partitions }])
  const traffics = ['a', 'b'].map(
    (name) => new Traffic({ brokers: brokers.addresses, ...topic, name }),
  )
  const member = new GroupMember(brokers.addresses, 'readers')
  try {
    for (let round = 0; round < 3; round++) {
      await Promise.all(traffics.map((traffic) => traffic.advances(50)))
      const startMs = performance.now()
      expect(await broker!.end('SIGTERM')).toBe(0)
      expect(performance.now() - startMs).toBeLessThan(20_000)
      await broker!.start()
    }
    await Promise.all(traffics.map((traffic) => traffic.advances(50)))
    await Promise.all(traffics.map((traffic) => traffic.stop()))
    for (const traffic of traffics) expect(traffic.failed).toEqual([])
    expect(broker!.output).not.toMatch(/internal error|was not closed cleanly/)
    for (const traffic of traffics) await traffic.verify()
    expect(member.generation).toBeGreaterThan(0)
    expect(member.generations).toEqual([...member.generations].sort((a, b) => a - b))
  } finally {
    await Promise.all([...traffics.map((traffic) => traffic.abandon()), member.close()])
    await brokers.close()
  }
})
