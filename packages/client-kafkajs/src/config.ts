import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Logger, logCreator } from './logger.js'
import type { logLevel } from './enums.js'

/** How often and how long something is tried again. */
export interface RetryOptions {
  /** Upper bound of one wait, in milliseconds. Default 30000. */
  maxRetryTime?: number
  /** First wait, in milliseconds. Default 300. */
  initialRetryTime?: number
  /** How far a wait is spread around its length, 0 to 1. Default 0.2. */
  factor?: number
  /** Growth from one wait to the next. Default 2. */
  multiplier?: number
  /** Attempts after the first. Default 5. */
  retries?: number
  /** Whether a consumer whose retries are used up starts over. Default: it does. */
  restartOnFailure?: (e: Error) => Promise<boolean>
}

/** Asked for the addresses at each connect. */
export type BrokersFunction = () => string[] | Promise<string[]>

export interface ISocketFactoryArgs {
  host: string
  port: number
  ssl: ConnectionOptions
  onConnect: () => void
}

export type ISocketFactory = (args: ISocketFactoryArgs) => Socket

export interface OauthbearerProviderResponse {
  value: string
}

interface SaslOptionsByMechanism {
  plain: { username: string; password: string }
  'scram-sha-256': { username: string; password: string }
  'scram-sha-512': { username: string; password: string }
  aws: {
    authorizationIdentity: string
    accessKeyId: string
    secretAccessKey: string
    sessionToken?: string
  }
  oauthbearer: { oauthBearerProvider: () => Promise<OauthbearerProviderResponse> }
}

export type SASLMechanism = keyof SaslOptionsByMechanism
type OptionsOf<T> = T extends SASLMechanism ? { mechanism: T } & SaslOptionsByMechanism[T] : never
export type SASLOptions = OptionsOf<SASLMechanism>

export interface SaslAuthenticationRequest {
  encode: () => Buffer | Promise<Buffer>
}

export interface SaslAuthenticationResponse<ParseResult> {
  decode: (rawResponse: Buffer) => Buffer | Promise<Buffer>
  parse: (data: Buffer) => ParseResult
}

export interface Authenticator {
  authenticate: () => Promise<void>
}

export interface SaslAuthenticateArgs<ParseResult> {
  request: SaslAuthenticationRequest
  response?: SaslAuthenticationResponse<ParseResult>
}

export interface AuthenticationProviderArgs {
  host: string
  port: number
  logger: Logger
  saslAuthenticate: <ParseResult>(
    args: SaslAuthenticateArgs<ParseResult>,
  ) => Promise<ParseResult | undefined>
}

export interface Mechanism {
  mechanism: string
  authenticationProvider: (args: AuthenticationProviderArgs) => Authenticator
}

/** How to reach the cluster. */
export interface KafkaConfig {
  brokers: string[] | BrokersFunction
  /** `true`, or the options of `tls.connect`. */
  ssl?: ConnectionOptions | boolean
  /** Not supported: `new Kafka` throws KafkaJSNotImplemented. */
  sasl?: SASLOptions | Mechanism
  /** Default 'kafkajs'. */
  clientId?: string
  /** Bound of opening a connection, in milliseconds. Default 1000. */
  connectionTimeout?: number
  /** Of `sasl`. */
  authenticationTimeout?: number
  /** Of `sasl`. */
  reauthenticationThreshold?: number
  /** Bound of an answer, in milliseconds. Default 30000. */
  requestTimeout?: number
  /** Requests are always bounded; `false` has no effect. */
  enforceRequestTimeout?: boolean
  retry?: RetryOptions
  /** Not supported: `new Kafka` throws KafkaJSNotImplemented. */
  socketFactory?: ISocketFactory
  /** Default INFO. */
  logLevel?: logLevel
  logCreator?: logCreator
}
