import { defineApi, NEVER_FLEXIBLE } from '../api.js'
import { array, bytes, int16, int64, string, struct } from '../schema.js'

/** Chooses how the client will prove who it is (KIP-43). */
export const saslHandshake = defineApi({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  flexibleSince: NEVER_FLEXIBLE,
  request: struct({
    mechanism: string(),
  }),
  response: struct({
    errorCode: int16(),
    mechanisms: array(string()),
  }),
})

/** One step of that proof (KIP-152, KIP-368). */
export const saslAuthenticate = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleSince: 2,
  request: struct({
    authBytes: bytes(),
  }),
  response: struct({
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ since: 1, default: 0n, ignorable: true }),
  }),
})
