import type { Admin, CallOptions, Place } from '@kfk/client'
import { failure } from './errors.js'

/**
 * The partitions that texts of the form TOPIC or TOPIC:0,1 name.
 * @throws CliError KFK_CLI_FAILED when one is of another form, or there is no such partition
 */
export async function placesFrom(
  admin: Admin,
  texts: readonly string[],
  bounds: CallOptions,
): Promise<Place[]> {
  const places: Place[] = []
  for (const text of texts) {
    const [, name, list] = /^([^:]+)(?::(\d+(?:,\d+)*))?$/.exec(text) ?? []
    if (name === undefined) {
      throw failure(`"${text}" is not of the form TOPIC or TOPIC:0,1`)
    }
    const [topic] = await admin.describeTopics([name], bounds)
    const existing = topic?.partitions.map(({ index }) => index) ?? []
    const wanted = list === undefined ? existing : list.split(',').map(Number)
    const missing = wanted.find((partition) => !existing.includes(partition))
    if (missing !== undefined) throw failure(`topic "${name}" has no partition ${missing}`)
    places.push(...wanted.map((partition) => ({ topic: name, partition })))
  }
  return places
}
