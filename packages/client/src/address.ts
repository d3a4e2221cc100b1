import { invalidArgument } from './errors.js'

/** A broker's address. */
export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

/** Kafka's customary port, taken when an address names none. */
const defaultPort = 9092

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(address: BrokerAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}

/**
 * Parses `host`, `host:port`, `[v6]:port`, or several of them separated by commas (as in
 * `bootstrap.servers`).
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function parseAddresses(brokers: string | readonly string[]): BrokerAddress[] {
  const texts = (typeof brokers === 'string' ? [brokers] : brokers).flatMap((text) =>
    text.split(','),
  )
  const addresses = texts
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map(parseAddress)
  if (addresses.length === 0) {
    throw invalidArgument("`brokers` names no broker: pass for example ['127.0.0.1:9092'].")
  }
  return addresses
}

function parseAddress(text: string): BrokerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text)
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (match === null || port < 1 || port > 65535) {
    throw invalidArgument(`"${text}" is not a broker address of the form host:port.`)
  }
  return { host: (match[1] ?? match[2])!, port }
}
