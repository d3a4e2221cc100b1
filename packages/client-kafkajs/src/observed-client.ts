import { ClientError, type Client, type Target } from '@kfk/client'
import type { Api, ResponseOf } from '@kfk/protocol'

/** What is known of a request while it is under way. */
export interface ObservedRequest {
  readonly api: Api
  readonly target: Target
  readonly sentAt: number
  readonly correlationId: number
}

/** Who is told of the requests of a client. Called for every request: to be quick. */
export interface RequestObserver {
  sending?(request: ObservedRequest): void
  answered?(request: ObservedRequest, response: unknown): void
  failed?(request: ObservedRequest, error: ClientError): void
}

/** A client whose requests are seen by `observer`; those for metadata and coordinators are not. */
export function observedClient(client: Client, observer: RequestObserver): Client {
  let correlationId = 0
  return {
    ...client,
    request: async <A extends Api>(
      ...[api, body, target, options]: Parameters<typeof client.request<A>>
    ): Promise<ResponseOf<A>> => {
      const request = { api, target, sentAt: Date.now(), correlationId: correlationId++ }
      observer.sending?.(request)
      try {
        const response = await client.request(api, body, target, options)
        observer.answered?.(request, response)
        return response
      } catch (error) {
        if (error instanceof ClientError) observer.failed?.(request, error)
        throw error
      }
    },
  }
}
