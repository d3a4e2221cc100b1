import { apis } from '@kfk/protocol'
import { requestBytes } from '../support/raw'
import { scenario } from '../support/scenario'

const client = { clientSoftwareName: 'differential', clientSoftwareVersion: '1.0' }

export const apiVersionsScenarios = [
  scenario('api versions: what is served, and features', async (peer) => {
    for (const version of peer.versions(apis.apiVersions)) {
      const response = await peer.ask(apis.apiVersions, version, client)
      peer.cover(apis.apiVersions, version)
      const ranges = new Map(
        response.apiKeys.map(({ apiKey, ...range }) => [apiKey, range] as const),
      )
      for (const key of peer.common()) peer.note(`v${version}: range of ${key}`, ranges.get(key))
    }
  }),
  scenario('api versions: names of software', async (peer) => {
    for (const name of ['', ' ', '-', 'a', 'a b', 'ä', 'apache-kafka-java', 'a.', '1']) {
      for (const version of [3, 4]) {
        for (const names of [
          { clientSoftwareName: name, clientSoftwareVersion: '1' },
          { clientSoftwareName: 'a', clientSoftwareVersion: name },
        ]) {
          const { errorCode } = await peer.ask(apis.apiVersions, version, names)
          peer.note(`v${version} ${JSON.stringify(names)}`, errorCode)
        }
      }
    }
  }),
  scenario('api versions: unknown versions', async (peer) => {
    for (const version of [5, 6, 100, 32767, -1]) {
      const bytes = requestBytes({ apiKey: 18, apiVersion: version, body: Buffer.alloc(1) })
      await peer.bytes(`v${version}`, bytes, { api: apis.apiVersions, version: 0 })
    }
  }),
]
