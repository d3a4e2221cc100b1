// Records the frames that pass between Kafka clients and a broker, for packages/protocol/test/golden/.
//
//   node scripts/record-frames.mjs <listen port> <broker port> <file> [who]
//
// Point `advertised.listeners` of the broker at the listen port, run a client, then stop with SIGINT.
// Kept is the first frame of every (API, version, direction) with at most 2 KiB: one comment line and
// one line of hex each.
import { writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

const MAX_KEPT_BYTES = 2048
const [listenPort, brokerPort, file, who = 'a client'] = process.argv.slice(2)
const kept = new Map()

/** Calls `onFrame` for every length-prefixed frame of a stream. */
function frames(onFrame) {
  let pending = Buffer.alloc(0)
  return (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
      const end = 4 + pending.readInt32BE(0)
      onFrame(pending.subarray(4, end))
      pending = pending.subarray(end)
    }
  }
}

function keep(direction, { apiKey, version }, frame) {
  const key = `${String(apiKey).padStart(2)} v${String(version).padStart(2)} ${direction}`
  if (!kept.has(key) && frame.length <= MAX_KEPT_BYTES) kept.set(key, frame.toString('hex'))
}

const server = createServer((client) => {
  const broker = connect(Number(brokerPort), '127.0.0.1')
  const inFlight = new Map()
  const request = frames((frame) => {
    const call = { apiKey: frame.readInt16BE(0), version: frame.readInt16BE(2) }
    inFlight.set(frame.readInt32BE(4), call)
    keep('request', call, frame)
  })
  const response = frames((frame) => {
    const call = inFlight.get(frame.readInt32BE(0))
    if (call) keep('response', call, frame)
  })
  client.on('data', (chunk) => {
    request(chunk)
    broker.write(chunk)
  })
  broker.on('data', (chunk) => {
    response(chunk)
    client.write(chunk)
  })
  for (const [socket, other] of [
    [client, broker],
    [broker, client],
  ]) {
    socket.on('error', () => other.destroy())
    socket.on('close', () => other.destroy())
  }
})
server.listen(Number(listenPort), '127.0.0.1')

process.on('SIGINT', () => {
  const lines = [...kept].sort().map(([key, hex]) => `# ${key}\n${hex}`)
  writeFileSync(file, `# ${who}\n${lines.join('\n')}\n`)
  process.exit(0)
})
