import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryCoordination } from '@kfk/coordination'

test('the example of the README does what it says', async () => {
  const said: unknown[][] = []
  const console = {
    warn: (...words: unknown[]) => said.push(words),
    log: (...words: unknown[]) => said.push(words),
  }
  // README begins
  const coordination = memoryCoordination()
  const other = coordination.connect()

  const session = await coordination.openSession({
    key: 'brokers/1',
    value: 'host-a:9092',
    ttlMs: 6000,
    onLost: (reason) => console.warn(reason.code),
  })
  const controller = await coordination.acquireLease('controller', { session, value: '1' })
  await coordination.compareAndSet('cluster', {
    expectedVersion: 0,
    value: 'c1',
    session: controller,
  })

  const newer = await other.openSession({
    key: 'brokers/1',
    value: 'host-b:9092',
    ttlMs: 6000,
    replace: true,
  })
  const late = { expectedVersion: 0, value: 'from a fenced owner', session: controller }
  await coordination.compareAndSet('anything', late).catch((error: unknown) => console.warn(error))
  console.log(newer.epoch > session.epoch, await other.list('brokers/'))

  await other.close()
  await coordination.close()
  // README ends
  const fenced = 'KFK_COORDINATION_FENCED'
  expect(said).toEqual([
    [fenced],
    [expect.objectContaining({ code: fenced })],
    [true, [expect.objectContaining({ epoch: 3 })]],
  ])
})

test('the example in the README is the one above', () => {
  const source = readFileSync(__filename, 'utf8')
  const [, body] = /README begins\n([^]*?) +\/\/ README ends/.exec(source)!
  const squeeze = (text: string): string => text.replace(/\s+/g, '').replace(/,([})])/g, '$1')
  const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
  expect(squeeze(readme)).toContain(squeeze(body!))
})
