import { createBroker } from '@kfk/broker'
import { createProducer } from '@kfk/producer'
import { msgpackCodec } from '@kfk/protocol'

// The same messages in another form: for a device, a worker, a proxy that people read.
const broker = await createBroker({ dataDir: './out/swap-codec', port: 0, codec: msgpackCodec })
const producer = createProducer({ brokers: broker.brokers, codec: msgpackCodec })

const { partition, baseOffset } = await producer.send('events', { value: 'over msgpack' })
console.log(`partition ${partition}, offset ${baseOffset}`)
await producer.close()
await broker.close()
