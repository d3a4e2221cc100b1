import type { Encodable, Infer, StructSchema } from './schema.js'

/** One API of the protocol: its number, the versions its schemas can code, and both directions. */
export interface Api<
  Request extends StructSchema = StructSchema,
  Response extends StructSchema = StructSchema,
> {
  readonly key: number
  /** Kafka's name, for instance `OffsetForLeaderEpoch`. */
  readonly name: string
  /** First and last version, both included. What a broker advertises follows from its handlers. */
  readonly versions: readonly [min: number, max: number]
  /** First version with compact lengths and tagged fields (KIP-482). */
  readonly flexibleSince: number
  readonly request: Request
  readonly response: Response
}

/** For `flexibleSince`: no version of the API is flexible. */
export const NEVER_FLEXIBLE = Number.POSITIVE_INFINITY

/** Keeps the types of both schemas while checking the shape. */
export function defineApi<Request extends StructSchema, Response extends StructSchema>(
  api: Api<Request, Response>,
): Api<Request, Response> {
  return api
}

/** A decoded request. */
export type RequestOf<A extends Api> = Infer<A['request']>
/** A request to encode: fields with defaults may be left out. */
export type RequestInput<A extends Api> = Encodable<A['request']>
/** A decoded response. */
export type ResponseOf<A extends Api> = Infer<A['response']>
/** A response to encode: fields with defaults may be left out. */
export type ResponseInput<A extends Api> = Encodable<A['response']>
