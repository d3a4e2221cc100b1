import { StoreError } from '@kfk/log-store'
import { errorCodes } from '@kfk/protocol'
import { toErrorCode } from '../src/error-mapping.js'

test('a sync that cannot begin is a timeout, for what was asked for may be done', () => {
  const delayed = new StoreError('KFK_STORE_DELAYED', 'no handle', { retriable: true })
  expect(toErrorCode(delayed)).toBe(errorCodes.REQUEST_TIMED_OUT)
})
