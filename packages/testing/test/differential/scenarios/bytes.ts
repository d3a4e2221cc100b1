import { apis, kafkaCodec } from '@kfk/protocol'
import { framed, requestBytes } from '../support/raw'
import { scenario } from '../support/scenario'

/** Nobody speaks these. */
const unknownApis = [-1, 4, 5, 6, 7, 93, 1000, 32767]

const clientId = 'differential'
const metadata = Buffer.concat(
  kafkaCodec.encodeRequest(
    apis.metadata,
    { apiVersion: 12, correlationId: 1, clientId },
    { topics: [], allowAutoTopicCreation: false },
  ),
).subarray(4)

export const bytesScenarios = [
  scenario('bytes: unknown APIs', async (peer) => {
    for (const apiKey of unknownApis) {
      const bytes = requestBytes({ apiKey, apiVersion: 0, body: Buffer.alloc(4) })
      await peer.bytes(`API ${apiKey}`, bytes)
    }
  }),
  scenario('bytes: unknown versions', async (peer) => {
    for (const apiKey of peer.common().filter((key) => key !== apis.apiVersions.key)) {
      for (const apiVersion of [-1, 30, 32767]) {
        const bytes = requestBytes({ apiKey, apiVersion, body: Buffer.alloc(4) })
        await peer.bytes(`API ${apiKey} v${apiVersion}`, bytes)
      }
    }
  }),
  scenario('bytes: headers', async (peer) => {
    const as = { api: apis.apiVersions, version: 0 }
    const ask = async (note: string, bytes: Uint8Array) => {
      const { errorCode } = (await peer.bytesOf(bytes, as)) ?? {}
      peer.note(note, errorCode ?? 'closed')
    }
    const none = Buffer.alloc(0)
    await ask('no client', requestBytes({ apiKey: 18, apiVersion: 0, clientId: null, body: none }))
    await ask('client ""', requestBytes({ apiKey: 18, apiVersion: 0, clientId: '', body: none }))
    await ask('a tail', requestBytes({ apiKey: 18, apiVersion: 0, body: Buffer.alloc(9) }))
    const correlationId = -5
    await ask('number -5', requestBytes({ apiKey: 18, apiVersion: 0, correlationId, body: none }))
    const whole = requestBytes({ apiKey: 18, apiVersion: 0, body: none })
    for (const length of [5, 6, 7, 8, 11, 12, 13, 20]) {
      await ask(`${length} bytes`, framed(whole.subarray(4, Math.min(4 + length, whole.length))))
    }
  }),
  scenario('bytes: bodies that end early, or go on', async (peer) => {
    for (let length = metadata.length - 1; length > 8; length -= 3) {
      await peer.bytes(`${length} bytes of Metadata`, framed(metadata.subarray(0, length)))
    }
    const longer = Buffer.concat([metadata, Buffer.alloc(3)])
    const as = { api: apis.metadata, version: 12 }
    await peer.bytes('three bytes more', framed(longer), as)
  }),
  scenario('bytes: impossible frames', async (peer) => {
    const empty = Buffer.alloc(0)
    await peer.bytes('a negative length', framed(empty, -1))
    await peer.bytes('the smallest length', framed(empty, -2147483648))
    await peer.bytes('2 GiB', framed(Buffer.alloc(100), 2147483647))
    await peer.bytes('a web browser', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
    await peer.bytes('no header', framed(empty))
  }),
]
