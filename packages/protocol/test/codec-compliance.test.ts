import { wireCodecCompliance } from '../src/compliance.js'
import { kafkaCodec } from '../src/kafka-codec.js'
import { msgpackCodec } from '../src/msgpack-codec.js'

describe.each([kafkaCodec, msgpackCodec])('$name codec', (codec) => {
  wireCodecCompliance({ describe, test, factory: () => codec })
})
