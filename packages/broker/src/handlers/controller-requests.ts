import { errorCodes } from '@kfk/protocol'
import type { Api, RequestInput, ResponseOf } from '@kfk/protocol'
import type { RequestContext } from '../context.js'
import { BrokerError } from '../errors.js'

/** Why the controller could not be asked: a retriable error code, and words. */
export interface Unavailable {
  readonly errorCode: number
  readonly errorMessage: string
}

/**
 * Has the controller answer, here or elsewhere; when it cannot be had, `unavailable` makes the
 * answer.
 */
export async function askController<A extends Api, R>(
  context: RequestContext,
  api: A,
  ask: {
    readonly request: RequestInput<A>
    readonly timeoutMs: number
    readonly unavailable: (why: Unavailable) => R
  },
): Promise<ResponseOf<A> | R> {
  const { controller, logger } = context.services
  const { signal } = context
  try {
    return await controller.forward(api, ask.request, { signal, timeoutMs: ask.timeoutMs })
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    const { message, details } = error
    logger.warn(message)
    const kafkaCode = details?.['kafkaCode']
    return ask.unavailable({
      errorCode: typeof kafkaCode === 'number' ? kafkaCode : errorCodes.NOT_CONTROLLER,
      errorMessage: message,
    })
  }
}
