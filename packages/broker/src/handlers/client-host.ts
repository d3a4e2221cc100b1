/** A peer as Kafka shows it: an address with a slash before it, and no port. */
export function clientHostOf(peer: string): string {
  const address = peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return `/${address}`
}
