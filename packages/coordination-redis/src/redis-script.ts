import { createHash } from 'node:crypto'
import { prelude } from './lua/prelude.js'
import {
  acquireLease,
  closeSession,
  openSession,
  releaseLease,
  renewSession,
  updateHolding,
} from './lua/sessions.js'
import { compareAndSet, getEntries, listEntries, position } from './lua/values.js'

/** A step that the server runs atomically. */
export interface RedisScript {
  readonly name: string
  readonly source: string
  /** What EVALSHA names it by. */
  readonly sha1: string
}

function script(name: string, body: string): RedisScript {
  const source = prelude + body
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') }
}

/** Every step of the adapter; what each takes and returns is said in `lua/`. */
export const scripts = {
  openSession: script('openSession', openSession),
  renewSession: script('renewSession', renewSession),
  closeSession: script('closeSession', closeSession),
  updateHolding: script('updateHolding', updateHolding),
  acquireLease: script('acquireLease', acquireLease),
  releaseLease: script('releaseLease', releaseLease),
  getEntries: script('getEntries', getEntries),
  listEntries: script('listEntries', listEntries),
  compareAndSet: script('compareAndSet', compareAndSet),
  position: script('position', position),
}
