import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { redisCoordination } from '@kfk/coordination-redis'
import { redisServerPeer, startRedisServer, withPeer } from '@kfk/testing'

withPeer(redisServerPeer(), 'README', () => {
  test('the example of the README does what it says', async () => {
    const server = await startRedisServer()
    const { url } = server
    let heard: (words: unknown) => void = () => {}
    const first = new Promise((resolve) => (heard = resolve))
    const console = { log: (words: unknown) => heard(words) }
    // README begins
    const coordination = await redisCoordination({ url, clusterName: 'activity' })
    const session = await coordination.openSession({
      key: 'brokers/1',
      value: 'host-a:9092',
      ttlMs: 6000,
    })
    await coordination.watch('brokers/', {
      onChange: (changes) => console.log(changes.map(({ key }) => key)),
      onGap: () => console.log('list again, publish again'),
    })
    await session.update('host-a:9093')
    // README ends
    expect(await first).toEqual(['brokers/1'])
    await coordination.close()
    await server.close()
  })

  test('the example in the README is the one above', () => {
    const source = readFileSync(__filename, 'utf8')
    const [, body] = /README begins\n([^]*?) +\/\/ README ends/.exec(source)!
    const squeeze = (text: string): string => text.replace(/\s+/g, '').replace(/,([})])/g, '$1')
    const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
    expect(squeeze(readme)).toContain(squeeze(body!))
  })
})
