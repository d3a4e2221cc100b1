// The brokers of one run, with their topics. Ours is fresh for each case; Kafka, which takes seconds to start and minutes to
// be warm, stays.
import fs from 'node:fs'
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import { isBare, startBroker } from './brokers.mjs'
import { clients } from './clients.mjs'

const never = '9223372036854775807'
/** Each client writes or reads so much before it is measured: with less, compiling is a good part of what is measured. */
export const warmBytes = 100e6
/** So many records of 100 B make Kafka's hot paths compiled. */
const kafkaWarmRecords = 2_000_000

/** A thousand partitions take Kafka so long to lead on a busy machine, in milliseconds. */
const leadersPatienceMs = 60_000

/**
 * Waits until the topic's leaders serve. Only a leader says where a partition ends; the load program does not look for
 * leaders and does not ask twice.
 */
async function allLed(admin, topic) {
  const deadline = Date.now() + leadersPatienceMs
  for (;;) {
    try {
      return await admin.topicOffsets(topic, 'latest')
    } catch (error) {
      if (error.retriable !== true || Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

export class BrokerPool {
  #dir
  #profiler
  #brokers = new Map()
  #admins = new Map()
  #warmTopics = new Map()
  #number = 0
  /** Resident memory of each broker before its first work, in MB. */
  idleMb = {}

  constructor(dir, profiler) {
    this.#dir = dir
    this.#profiler = profiler
  }

  /** Ours and the bare ones live as long as one case, whose `durability` they are given. */
  async get(name, { durability } = {}) {
    if (!this.#brokers.has(name)) {
      const nodeArgs = name === 'kfk' ? this.#profiler?.argumentsFor('kfk broker') : undefined
      const dir = path.join(this.#dir, `${name}-${this.#number++}`)
      const broker = await startBroker(name, dir, { nodeArgs, durability })
      this.#brokers.set(name, broker)
      if (!isBare(name)) this.#admins.set(broker, createAdmin({ brokers: broker.address }))
      if (name === 'kafka') await this.#warmKafka(broker)
      else this.idleMb[name] ??= broker.usage()?.residentMb
    }
    return this.#brokers.get(name)
  }

  async #warmKafka(broker) {
    const params = { partitions: 6, valueBytes: 100, durability: 'os' }
    const topic = await this.createTopic(broker, params)
    this.idleMb.kafka = broker.usage()?.residentMb
    const job = { ...params, topic, address: broker.address, acks: 'all', warmTopic: topic }
    for (const role of ['produce', 'consume']) {
      const client = clients.kfk.start({ ...job, role, records: kafkaWarmRecords, warmRecords: 1 })
      await client.ready()
      await client.run()
      await client.end()
    }
    await this.deleteTopic(broker, topic)
  }

  /** A topic of its own for each run. Its name is as long as all others, which the load program relies on. */
  async createTopic(broker, { partitions, durability }) {
    const name = `bench-${String(this.#number++).padStart(6, '0')}`
    const configs = {
      'flush.messages': durability === 'disk' ? '1' : never,
      'file.delete.delay.ms': '1000',
      'max.message.bytes': '4194304',
    }
    const admin = this.#admins.get(broker)
    await admin?.createTopics([{ name, partitions, configs }])
    if (admin !== undefined) await allLed(admin, name)
    return name
  }

  /** Records for clients to warm up with are never those that are measured. */
  async warmTopic(broker, { partitions, valueBytes, codec }) {
    const shape = [valueBytes, codec].join(' ')
    const own = this.#warmTopics.get(broker) ?? new Map()
    this.#warmTopics.set(broker, own)
    if (!own.has(shape)) {
      const params = { partitions: Math.min(partitions, 6), durability: 'os' }
      const topic = await this.createTopic(broker, params)
      own.set(shape, topic)
      if (!isBare(broker.name))
        await this.#fillWarm(broker, { ...params, topic, valueBytes, codec })
    }
    return own.get(shape)
  }

  async #fillWarm(broker, { topic, valueBytes, codec, partitions }) {
    const records = Math.ceil(warmBytes / valueBytes) + 1
    const job = { topic, valueBytes, codec, partitions, records, acks: 'all' }
    const address = broker.address
    const warm = { ...job, address, role: 'produce', warmTopic: topic, warmRecords: 1 }
    const client = clients.kfk.start(warm)
    await client.ready()
    await client.run()
    await client.end()
  }

  async deleteTopic(broker, topic) {
    if (isBare(broker.name)) fs.truncateSync(path.join(broker.dataDir, 'bytes'))
    else await this.#admins.get(broker).deleteTopics([topic])
  }

  async #stop(name) {
    const broker = this.#brokers.get(name)
    if (broker === undefined) return
    this.#brokers.delete(name)
    await this.#admins.get(broker)?.close()
    this.#admins.delete(broker)
    await broker.stop()
    fs.rmSync(broker.dataDir, { recursive: true, force: true })
  }

  async restartOurs() {
    for (const name of ['kfk', 'kfk2', 'raw', 'node']) await this.#stop(name)
  }

  async close() {
    for (const name of [...this.#brokers.keys()]) await this.#stop(name)
  }
}
