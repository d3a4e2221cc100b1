import { apis } from '@kfk/protocol'
import type { Allowance } from '../support/compare'
import { batchOf, recordsOf } from '../support/batches'
import { produce } from '../support/produced'
import { scenario } from '../support/scenario'

/** Settings that mean the same to both and have the same defaults. */
const sameDefaults = [
  'cleanup.policy',
  'compression.type',
  'delete.retention.ms',
  'max.message.bytes',
  'message.timestamp.after.max.ms',
  'message.timestamp.before.max.ms',
  'message.timestamp.type',
  'min.cleanable.dirty.ratio',
  'min.compaction.lag.ms',
  'min.insync.replicas',
  'preallocate',
  'retention.bytes',
  'retention.ms',
  'segment.bytes',
  'segment.ms',
]

const topic = 2
const broker = 4

/** Set, delete, append, subtract; others make Kafka fail. */
const operations = [0, 1, 2, 3]

const synonyms: readonly Allowance[] = [
  {
    path: 'results[].configs[].synonyms',
    why: 'kfk names the config of brokers that a default comes from; Kafka leaves some out',
  },
]

export const configsScenarios = [
  scenario(
    'configs: of topics',
    async (peer) => {
      const configs = { 'retention.ms': '1000', 'cleanup.policy': 'compact' }
      const one = await peer.topic('one', { configs })
      for (const version of peer.versions(apis.describeConfigs)) {
        for (const includeSynonyms of [false, true]) {
          for (const resourceName of [one.name, 'no-such-topic', '', 'a b']) {
            for (const name of sameDefaults) {
              const resources = [{ resourceType: topic, resourceName, configurationKeys: [name] }]
              const body = { resources, includeSynonyms, includeDocumentation: false }
              await peer.attempt(apis.describeConfigs, version, body, { note: name })
            }
          }
        }
        for (const [at, resources] of [
          [{ resourceType: topic, resourceName: one.name, configurationKeys: ['no.such.config'] }],
          [{ resourceType: 0, resourceName: 'a', configurationKeys: null }],
          [{ resourceType: 1, resourceName: 'a', configurationKeys: null }],
          [{ resourceType: 3, resourceName: 'a', configurationKeys: null }],
          [{ resourceType: broker, resourceName: '7', configurationKeys: null }],
          [{ resourceType: broker, resourceName: 'x', configurationKeys: null }],
          [],
        ].entries()) {
          const body = { resources, includeSynonyms: false, includeDocumentation: false }
          await peer.attempt(apis.describeConfigs, version, body, { note: `asked ${at}` })
        }
      }
    },
    synonyms,
  ),
  scenario('configs: of topics changed', async (peer) => {
    const one = await peer.topic('one')
    const values: [string, string | null][] = [
      ['retention.ms', '5000'],
      ['retention.ms', 'soon'],
      ['retention.ms', '-2'],
      ['retention.ms', null],
      ['cleanup.policy', 'compact'],
      ['cleanup.policy', 'delete'],
      ['cleanup.policy', 'burn'],
      ['no.such.config', '1'],
      ['', '1'],
    ]
    for (const version of peer.versions(apis.incrementalAlterConfigs)) {
      for (const validateOnly of [true, false]) {
        for (const configOperation of operations) {
          for (const [name, value] of values) {
            // Without any policy nothing is ever deleted since Kafka 4.1; kfk demands one.
            if (configOperation === 3 && value === 'delete') continue
            const configs = [{ name, configOperation, value }]
            const resources = [{ resourceType: topic, resourceName: one.name, configs }]
            const answer = await peer.attempt(
              apis.incrementalAlterConfigs,
              version,
              { resources, validateOnly },
              { note: `${configOperation} ${name} ${value}${validateOnly ? ' validated' : ''}` },
            )
            if (validateOnly) continue
            if (answer?.responses[0]!.errorCode === 0) await peer.settled()
            for (const key of ['retention.ms', 'cleanup.policy']) {
              const asked = {
                resourceType: topic,
                resourceName: one.name,
                configurationKeys: [key],
              }
              const note = `after ${configOperation} ${name} ${value}`
              await peer.send(apis.describeConfigs, 4, { resources: [asked] }, { note })
            }
          }
        }
      }
    }
  }),
  scenario('configs: odd changes', async (peer) => {
    const one = await peer.topic('one')
    const set = (name: string, value: string) => ({ name, configOperation: 0, value })
    const of = (
      resourceType: number,
      resourceName: string,
      ...configs: ReturnType<typeof set>[]
    ) => {
      return { resourceType, resourceName, configs }
    }
    const good = set('retention.ms', '7000')
    for (const version of peer.versions(apis.incrementalAlterConfigs)) {
      for (const [at, resources] of [
        [],
        [of(topic, one.name)],
        [of(topic, one.name, good, good)],
        [of(topic, one.name, good), of(topic, one.name, good)],
        [of(topic, one.name, good, set('segment.bytes', '1'))],
        [of(topic, 'no-such-topic', good)],
        [of(topic, '', good)],
        [of(topic, 'a b', good)],
        [of(0, one.name, good)],
        [of(3, one.name, good)],
        [of(99, one.name, good)],
      ].entries()) {
        const body = { resources, validateOnly: false }
        await peer.attempt(apis.incrementalAlterConfigs, version, body, { note: `asked ${at}` })
      }
    }
  }),
  scenario('configs: log directories', async (peer) => {
    const one = await peer.topic('one', { partitions: 2 })
    await produce(peer, { topic: one, records: batchOf(recordsOf(3)) })
    for (const version of peer.versions(apis.describeLogDirs)) {
      for (const [at, topics] of [
        [{ topic: one.name, partitions: [0, 1] }],
        [{ topic: one.name, partitions: [1, 7] }],
        [{ topic: one.name, partitions: [] }],
        [{ topic: 'no-such-topic', partitions: [0] }],
        [],
      ].entries()) {
        await peer.attempt(apis.describeLogDirs, version, { topics }, { note: `asked ${at}` })
      }
    }
  }),
]
