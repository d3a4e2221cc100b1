import { apis } from '@kfk/protocol'
import type { Peer } from '../support/peer'
import { scenario } from '../support/scenario'

const topicType = 2
const brokerType = 4

type Values = Readonly<Record<string, string | null>>

async function replace(peer: Peer, name: string, values: Values, validateOnly = false) {
  const configs = Object.entries(values).map(([key, value]) => ({ name: key, value }))
  const resources = [{ resourceType: topicType, resourceName: name, configs }]
  for (const version of peer.versions(apis.alterConfigs)) {
    const note = JSON.stringify(values)
    await peer.send(apis.alterConfigs, version, { resources, validateOnly }, { note })
  }
}

type Alteration = readonly [name: string, operation: number, value: string | null]

async function alter(
  peer: Peer,
  resource: { readonly type: number; readonly name: string },
  ...alterations: readonly Alteration[]
) {
  const configs = alterations.map(([name, configOperation, value]) => ({
    ...{ name, configOperation, value },
  }))
  const { type: resourceType, name: resourceName } = resource
  const resources = [{ resourceType, resourceName, configs }]
  for (const version of peer.versions(apis.incrementalAlterConfigs)) {
    const body = { resources, validateOnly: false }
    const note = JSON.stringify(alterations)
    await peer.send(apis.incrementalAlterConfigs, version, body, { note })
  }
}

async function describe(
  peer: Peer,
  resource: { readonly type: number; readonly name: string },
  ...keys: readonly string[]
) {
  // A broker of Kafka learns of a change after its controller has answered.
  await peer.settled()
  const { type: resourceType, name: resourceName } = resource
  // One by one: Kafka lists them in no order.
  for (const configurationKeys of keys.length === 0 ? [null] : keys.map((key) => [key])) {
    const resources = [{ resourceType, resourceName, configurationKeys }]
    for (const version of peer.versions(apis.describeConfigs)) {
      for (const includeSynonyms of [false, true]) {
        const body = { resources, includeSynonyms }
        const note = `${resourceType} ${resourceName.slice(0, 8)} ${configurationKeys?.[0]}`
        await peer.send(apis.describeConfigs, version, body, { note })
      }
    }
  }
}

export const adminScenarios = [
  scenario('admin: a listener without SASL', async (peer) => {
    for (const version of peer.versions(apis.saslHandshake)) {
      for (const mechanism of ['PLAIN', '', 'SCRAM-SHA-256']) {
        await peer.send(apis.saslHandshake, version, { mechanism })
      }
    }
    for (const version of peer.versions(apis.saslAuthenticate)) {
      await peer.send(apis.saslAuthenticate, version, { authBytes: Buffer.from('\0user\0secret') })
      await peer.send(apis.saslAuthenticate, version, { authBytes: new Uint8Array(0) })
    }
  }),
  scenario('admin: no authorizer', async (peer) => {
    const filter = {
      ...{ resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1 },
      ...{ principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 },
    }
    const creation = {
      ...{ resourceType: 2, resourceName: 't', resourcePatternType: 3, principal: 'User:a' },
      ...{ host: '*', operation: 2, permissionType: 3 },
    }
    for (const version of peer.versions(apis.describeAcls)) {
      await peer.send(apis.describeAcls, version, filter)
      await peer.send(apis.createAcls, version, { creations: [creation, creation] })
      await peer.send(apis.createAcls, version, { creations: [] })
      await peer.send(apis.deleteAcls, version, { filters: [filter, filter] })
    }
  }),
  scenario('admin: no credentials and no quotas', async (peer) => {
    for (const users of [null, [], ['a'], ['b', 'a', 'b', '']]) {
      const body = { users: users && users.map((name) => ({ name })) }
      await peer.send(apis.describeUserScramCredentials, 0, body)
    }
    const any = (entityType: string) => ({ entityType, matchType: 2, match: null })
    const filters = [
      [],
      [any('user')],
      [any('user'), any('client-id')],
      [any('ip')],
      [{ entityType: 'user', matchType: 0, match: 'a' }],
      [{ entityType: 'user', matchType: 1, match: null }],
      [{ entityType: 'user', matchType: 0, match: null }],
      [{ entityType: 'user', matchType: 1, match: 'x' }],
      [{ entityType: 'user', matchType: 2, match: 'x' }],
      [{ entityType: 'user', matchType: 7, match: null }],
      [any('')],
      [any('planet')],
      [any('ip'), any('user')],
      [any('user'), any('user')],
    ]
    for (const version of peer.versions(apis.describeClientQuotas)) {
      for (const components of filters) {
        for (const strict of [false, true]) {
          const note = JSON.stringify(components)
          await peer.send(apis.describeClientQuotas, version, { components, strict }, { note })
        }
      }
    }
  }),
  scenario('admin: leaders and replicas', async (peer) => {
    const { name } = await peer.topic('led', { partitions: 2 })
    for (const version of peer.versions(apis.electLeaders)) {
      for (const electionType of version > 0 ? [0, 1, 7, -1] : [0]) {
        const topicPartitions = [
          { topic: name, partitions: [0, 1, 9] },
          { topic: 'no-such-topic', partitions: [0] },
        ]
        const type = version > 0 ? { electionType } : {}
        await peer.send(apis.electLeaders, version, { ...type, topicPartitions })
        await peer.send(apis.electLeaders, version, { ...type, topicPartitions: [] })
      }
    }
    for (const version of peer.versions(apis.alterPartitionReassignments)) {
      for (const replicas of [[1], null, [], [2], [1, 1], [1, 2], [-1]]) {
        for (const partitionIndex of [0, 9]) {
          const partitions = [{ partitionIndex, replicas }]
          const topics = [name, 'no-such-topic'].map((one) => ({ name: one, partitions }))
          await peer.send(apis.alterPartitionReassignments, version, { topics })
        }
      }
    }
    for (const topics of [null, [], [{ name, partitionIndexes: [0, 9] }]]) {
      await peer.send(apis.listPartitionReassignments, 0, { topics })
    }
  }),
  scenario('admin: features', async (peer) => {
    for (const version of peer.versions(apis.updateFeatures)) {
      for (const [feature, maxVersionLevel] of [
        ...[['nonsense', 1] as const, ['nonsense', 0] as const, ['', 0] as const],
        ...[['metadata.version', -1] as const, ['metadata.version', 1000] as const],
      ]) {
        const note = `${feature} ${maxVersionLevel}`
        const featureUpdates = [{ feature, maxVersionLevel }]
        await peer.send(apis.updateFeatures, version, { featureUpdates }, { note })
      }
      await peer.send(apis.updateFeatures, version, { featureUpdates: [] })
    }
  }),
  scenario('admin: configs of a topic', async (peer) => {
    const { name } = await peer.topic('configured')
    const topic = { type: topicType, name }
    const keys = ['retention.ms', 'segment.bytes', 'cleanup.policy', 'max.message.bytes']
    await describe(peer, topic, ...keys)
    await alter(peer, topic, ['retention.ms', 0, '1000'], ['segment.bytes', 0, '2097152'])
    await describe(peer, topic, ...keys)
    await alter(peer, topic, ['cleanup.policy', 2, 'compact'])
    await alter(peer, topic, ['cleanup.policy', 3, 'delete'])
    await alter(peer, topic, ['segment.bytes', 1, null])
    await describe(peer, topic, ...keys)
    await alter(peer, topic, ['retention.ms', 0, null])
    await alter(peer, topic, ['retention.ms', 0, 'abc'])
    await alter(peer, topic, ['retention.ms', 0, '-2'])
    await alter(peer, topic, ['retention.ms', 2, '1'])
    await alter(peer, topic, ['no.such.config', 0, '1'])
    await alter(peer, topic, ['retention.ms', 0, '1'], ['retention.ms', 0, '1'])
    await alter(peer, topic)
    await alter(peer, { type: topicType, name: '' }, ['retention.ms', 0, '1'])
    await alter(peer, { type: topicType, name: 'no-such-topic' }, ['retention.ms', 0, '1'])
    await alter(peer, { type: 99, name: 'x' }, ['a', 0, '1'])
    await replace(peer, name, { 'retention.ms': '5' })
    await describe(peer, topic, ...keys)
    await replace(peer, name, { 'retention.ms': null })
    await replace(peer, name, { 'no.such.config': '1' })
    await replace(peer, name, { 'retention.ms': '7' }, true)
    await describe(peer, topic, ...keys)
    await replace(peer, name, {})
    await replace(peer, 'no-such-topic', {})
    await describe(peer, topic, ...keys)
    for (const bad of ['', 'a b', 'no-such-topic']) await describe(peer, { type: 2, name: bad })
  }),
  scenario('admin: configs of a broker', async (peer) => {
    const own = { type: brokerType, name: '1' }
    const all = { type: brokerType, name: '' }
    const key = 'log.cleaner.delete.retention.ms'
    await alter(peer, all, [key, 0, '5000'])
    await alter(peer, own, [key, 0, '7000'])
    await alter(peer, own, ['node.id', 0, '4'])
    await alter(peer, own, ['log.retention.hours', 0, '4'])
    await alter(peer, own, [key, 0, 'abc'])
    await alter(peer, own, [key, 0, null])
    await alter(peer, own, [key, 2, '1'])
    await alter(peer, own, [key, 7, '1'])
    await alter(peer, own)
    for (const name of ['2', 'x', '-1'])
      await alter(peer, { type: brokerType, name }, [key, 0, '1'])
    for (const resource of [own, all]) await alter(peer, resource, [key, 1, null])
    await describe(peer, own, 'log.retention.ms', 'log.retention.hours', 'message.max.bytes', key)
    for (const name of ['7', 'x']) await describe(peer, { type: brokerType, name })
    for (const [type, name] of [
      ...[[8, ''] as const, [8, '3'] as const, [8, 'x'] as const, [32, ''] as const],
      ...[[16, ''] as const],
    ]) {
      await describe(peer, { type, name })
    }
    await describe(peer, { type: 32, name: 'g' }, 'consumer.session.timeout.ms')
  }),
  scenario('admin: what has configs', async (peer) => {
    await peer.send(apis.listConfigResources, 0, {})
    for (const resourceTypes of [[4], [8], [16], [32], [4, 8], [2, 99], [1]]) {
      const note = JSON.stringify(resourceTypes)
      await peer.send(apis.listConfigResources, 1, { resourceTypes }, { note })
    }
  }),
]
