// first-record.mjs DIRECTORY: a broker in this process, from createBroker() to the first acknowledged record. Prints
// { ms, importedMs } as JSON.
const startedMs = performance.now()
// Importing is part of what a user waits for.
const { createBroker } = await import('@kfk/broker')
const { createProducer } = await import('@kfk/producer')
const importedMs = performance.now() - startedMs
const broker = await createBroker({ port: 0, dataDir: process.argv[2] })
const producer = createProducer({ broker })
await producer.send('first', { value: 'record' })
const ms = performance.now() - startedMs - importedMs
await producer.close()
await broker.close()
console.log(JSON.stringify({ ms, importedMs }))
