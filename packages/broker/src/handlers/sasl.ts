import { apis, errorCodes } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'

/*
 * A listener without SASL takes every connection for authenticated from the start. Whoever begins
 * to authenticate all the same has a listener of another kind in mind, and is told so.
 */

/** SaslHandshake: there is no mechanism to choose. */
export const saslHandshake: Handler = defineHandler<typeof apis.saslHandshake>({
  api: apis.saslHandshake,
  versions: [0, 1],
  handle: () => ({ errorCode: errorCodes.ILLEGAL_SASL_STATE, mechanisms: [] }),
})

/** SaslAuthenticate: there is nothing to prove. */
export const saslAuthenticate: Handler = defineHandler<typeof apis.saslAuthenticate>({
  api: apis.saslAuthenticate,
  versions: [0, 2],
  handle: () => ({
    errorCode: errorCodes.ILLEGAL_SASL_STATE,
    errorMessage: 'This listener does not use SASL: the connection needs no authentication.',
    authBytes: new Uint8Array(0),
  }),
})
