// One measured process: node worker.mjs produce|consume kfk|kafkajs ADDRESS TOPIC RECORDS VALUE_BYTES, or start DIRECTORY.
// Prints one line of JSON. Imports what it needs only, so that its memory and start are its own.

const [what, ...args] = process.argv.slice(2)

/** Values differ, as real ones do; they are made before the clock starts. */
function makeValues(valueBytes) {
  return Array.from({ length: 1024 }, (_, index) => Buffer.alloc(valueBytes, `value-${index}-`))
}

function figures(records, valueBytes, startedMs, cpuBefore) {
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const gigabytes = (records * valueBytes) / 1e9
  return {
    perSecond: records / seconds,
    mbPerSecond: (gigabytes * 1000) / seconds,
    cpuSecondsPerGb: (user + system) / 1e6 / gigabytes,
    rssMb: process.memoryUsage.rss() / 1e6,
  }
}

const roles = {
  async 'produce kfk'(address, topic, records, valueBytes) {
    const { createProducer } = await import('@kfk/producer')
    const values = makeValues(valueBytes)
    const producer = createProducer({
      brokers: address,
      acks: 'all',
      onPostFailure: (error) => {
        throw error
      },
    })
    await producer.send(topic, { value: values[0] })
    const cpu = process.cpuUsage()
    const startedMs = performance.now()
    for (let index = 0; index < records; index++) {
      if (!producer.post(topic, { value: values[index & 1023] })) await producer.ready
    }
    await producer.flush()
    const measured = figures(records, valueBytes, startedMs, cpu)
    await producer.close()
    return measured
  },
  async 'consume kfk'(address, topic, records, valueBytes) {
    const { createConsumer } = await import('@kfk/consumer')
    const consumer = createConsumer({ brokers: address, topics: [topic], from: 'earliest' })
    const cpu = process.cpuUsage()
    const startedMs = performance.now()
    let seen = 0
    let bytes = 0
    for await (const batch of consumer.batches({ maxRecords: 10_000 })) {
      for (const record of batch.records) bytes += record.value.length
      seen += batch.records.length
      if (seen >= records) break
    }
    const measured = figures(records, valueBytes, startedMs, cpu)
    if (bytes < records * valueBytes)
      throw new Error(`${bytes} bytes instead of ${records * valueBytes}`)
    await consumer.close()
    return measured
  },
  async 'produce kafkajs'(address, topic, records, valueBytes) {
    const { Kafka, logLevel } = await import('kafkajs')
    const values = makeValues(valueBytes)
    const producer = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic, messages: [{ value: values[0] }] })
    const cpu = process.cpuUsage()
    const startedMs = performance.now()
    const perSend = Math.max(1, Math.floor(100_000 / valueBytes))
    let next = 0
    // kafkajs does not batch by itself: five sends of 100 KB at a time, as our own producer has on the wire.
    const lane = async () => {
      while (next < records) {
        const count = Math.min(perSend, records - next)
        next += count
        await producer.send({
          topic,
          acks: -1,
          messages: Array.from({ length: count }, (_, index) => ({
            value: values[(next + index) & 1023],
          })),
        })
      }
    }
    await Promise.all([lane(), lane(), lane(), lane(), lane()])
    const measured = figures(records, valueBytes, startedMs, cpu)
    await producer.disconnect()
    return measured
  },
  async 'consume kafkajs'(address, topic, records, valueBytes) {
    const { Kafka, logLevel } = await import('kafkajs')
    const consumer = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).consumer({
      groupId: `bench-${process.pid}`,
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    let seen = 0
    let startedMs
    let cpu
    let done
    const finished = new Promise((resolve) => (done = resolve))
    await consumer.run({
      eachBatch: async ({ batch, resolveOffset }) => {
        // Joining a group takes its time; reading is what is measured.
        cpu ??= process.cpuUsage()
        startedMs ??= performance.now()
        for (const { value } of batch.messages) if (value.length === 0) throw new Error('empty')
        seen += batch.messages.length
        resolveOffset(batch.lastOffset())
        if (seen >= records) done()
      },
    })
    await finished
    const measured = figures(records, valueBytes, startedMs, cpu)
    await consumer.disconnect()
    return measured
  },
  async start(directory) {
    // Importing is part of what a user waits for.
    const startedMs = performance.now()
    const { createBroker } = await import('@kfk/broker')
    const { createProducer } = await import('@kfk/producer')
    const importedMs = performance.now() - startedMs
    const broker = await createBroker({ port: 0, dataDir: directory })
    const producer = createProducer({ broker })
    await producer.send('first', { value: 'record' })
    const ms = performance.now() - startedMs - importedMs
    await producer.close()
    await broker.close()
    return { ms, importedMs }
  },
}

const measured =
  what === 'start'
    ? await roles.start(args[0])
    : await roles[`${what} ${args[0]}`](args[1], args[2], Number(args[3]), Number(args[4]))
console.log(JSON.stringify(measured))
process.exit(0)
