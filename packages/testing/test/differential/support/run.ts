import { apiByKey, apis } from '@kfk/protocol'
import {
  eventually,
  type InteropBroker,
  type JavaKafka,
  peers,
  startInteropBroker,
  startJavaKafka,
  withPeer,
} from '../../../src/index'
import { allowed, notCompared } from './allowed'
import { differences, report } from './compare'
import { Peer, type Side } from './peer'
import type { Scenario } from './scenario'

/**
 * Runs the scenarios against one Kafka and one kfk that are configured alike, and fails for each
 * difference that is not allowed.
 */
export function compareBrokers(
  title: string,
  scenarios: readonly Scenario[],
  options: {
    readonly config?: Readonly<Record<string, string>>
    /** Whether every version of every API must be asked for, but for `notCompared`. */
    readonly complete?: boolean
  } = {},
): void {
  withPeer(peers.kafka(), title, () => {
    let ours: InteropBroker
    let theirs: JavaKafka
    let sides: { readonly kfk: Side; readonly kafka: Side }
    const covered = new Set<string>()

    beforeAll(async () => {
      ;[ours, theirs] = await Promise.all([
        startInteropBroker(options.config),
        startJavaKafka({ ...options.config }),
      ])
      const [kfk, kafka] = await Promise.all([
        reached('kfk', Number(ours.bootstrap.split(':')[1])),
        reached('kafka', theirs.port),
      ])
      sides = { kfk, kafka }
    })
    afterAll(async () => {
      await Promise.all([ours?.stop(), theirs?.stop()])
    })

    test.each(scenarios.map((one) => [one.name, one] as const))('%s', async (name, one) => {
      const kfk = new Peer(sides.kfk, sides.kafka, name)
      const kafka = new Peer(sides.kafka, sides.kfk, name)
      await Promise.all([play(one, kfk), play(one, kafka)])
      for (const pair of kfk.covered) if (kafka.covered.has(pair)) covered.add(pair)
      const steps = [kfk.steps(), kafka.steps()] as const
      const found = differences(...steps, [...allowed, ...one.allow])
      expect(report(found)).toEqual([])
      // A script that failed in the same way on both sides has compared nothing.
      expect(steps[0].filter((step) => step.name === 'failed')).toEqual([])
    })

    if (options.complete !== true) return
    test('every version of every API was asked for', () => {
      const versions = new Peer(sides.kfk, sides.kafka, '')
      const missing = [...sides.kafka.advertised.keys()].flatMap((key) => {
        if (notCompared.has(key)) return []
        if (!sides.kfk.advertised.has(key)) return [`API ${key} is not served`]
        const api = apiByKey.get(key)!
        const left = versions.versions(api).filter((version) => !covered.has(`${key}:${version}`))
        return left.length === 0 ? [] : [`${api.name} ${left.join(' ')}`]
      })
      expect(missing).toEqual([])
    })
  })
}

async function reached(name: 'kfk' | 'kafka', port: number): Promise<Side> {
  const unknown: Side = { name, port, advertised: new Map() }
  const peer = new Peer(unknown, unknown, '')
  const { apiKeys } = await peer.ask(apis.apiVersions, 4, {
    clientSoftwareName: 'differential',
    clientSoftwareVersion: '1',
  })
  await eventually('producer ids are given out', async () => {
    const asked = { transactionalId: null, transactionTimeoutMs: 60_000 }
    const { errorCode } = await peer.ask(apis.initProducerId, 1, asked)
    return errorCode === 0 || undefined
  })
  // Before a scenario tries to make the topic of offsets.
  await eventually('groups are coordinated', async () => {
    const asked = { key: 'differential', keyType: 0 }
    return (await peer.ask(apis.findCoordinator, 2, asked)).errorCode === 0 || undefined
  })
  peer.end()
  const ranges = apiKeys.map(({ apiKey, minVersion, maxVersion }) => {
    return [apiKey, [minVersion, maxVersion]] as const
  })
  return { name, port, advertised: new Map(ranges) }
}

async function play(one: Scenario, peer: Peer): Promise<void> {
  try {
    await one.script(peer)
    peer.end()
  } catch (error) {
    peer.end(error)
  }
}
