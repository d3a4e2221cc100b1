// bare-server.mjs FILE DURABILITY: the least that a broker in Node must do, the honest bound for ours. Whole frames that come
// are appended to FILE, one write a turn of the event loop, synced in groups with DURABILITY "disk"; each Produce request is
// acknowledged, one write a connection and turn; whoever has sent a Fetch request gets all frames that are appended from then on.
// Nothing is decoded or checked.
import fs from 'node:fs'
import net from 'node:net'

const [, , path, durability] = process.argv
const file = fs.openSync(path, 'a')
const scratch = Buffer.allocUnsafeSlow(64 * 1024)
const answerBytes = 54

/** What came in this turn: bytes for the file, and connections with the correlation ids of their requests. */
let chunks = []
let asking = []
/** Turns that are written and not synced. */
let unsynced = []
let syncing = false
const readers = new Set()

function endTurn() {
  const turn = { chunks, asking: asking.map((each) => each.takeRequests()) }
  chunks = []
  asking = []
  fs.writevSync(file, turn.chunks)
  if (durability !== 'disk') return answer(turn)
  unsynced.push(turn)
  sync()
}

function sync() {
  if (syncing || unsynced.length === 0) return
  syncing = true
  const turns = unsynced
  unsynced = []
  fs.fdatasync(file, (error) => {
    if (error) throw error
    syncing = false
    sync()
    turns.forEach(answer)
  })
}

function answer(turn) {
  if (readers.size > 0) {
    const bytes = Buffer.concat(turn.chunks)
    for (const socket of readers) socket.write(bytes)
  }
  for (const { socket, correlations } of turn.asking) {
    const out = Buffer.alloc(answerBytes * correlations.length)
    correlations.forEach((correlation, at) => {
      out.writeInt32BE(answerBytes - 4, at * answerBytes)
      out.writeInt32BE(correlation, at * answerBytes + 4)
    })
    socket.write(out)
  }
}

class Connection {
  socket
  #rest = Buffer.alloc(0)
  #correlations = []

  takeRequests() {
    const taken = { socket: this.socket, correlations: this.#correlations }
    this.#correlations = []
    return taken
  }

  receive(bytes) {
    const held = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : Buffer.from(bytes)
    let at = 0
    while (held.length - at >= 12 && held.length - at >= 4 + held.readInt32BE(at)) {
      if (held.readInt16BE(at + 4) === 1) readers.add(this.socket)
      else if (this.#correlations.push(held.readInt32BE(at + 8)) === 1) asking.push(this)
      at += 4 + held.readInt32BE(at)
    }
    this.#rest = held.subarray(at)
    if (at === 0 || readers.has(this.socket)) return
    if (chunks.push(held.subarray(0, at)) === 1) setImmediate(endTurn)
  }
}

const server = net.createServer({ pauseOnConnect: true }, (accepted) => {
  // As our broker does: reads land in memory that is there already.
  const handle = accepted._handle
  accepted._handle = null
  const connection = new Connection()
  const onread = {
    buffer: () => scratch,
    callback(byteCount) {
      connection.receive(scratch.subarray(0, byteCount))
      return true
    },
  }
  const socket = new net.Socket({ handle, onread })
  connection.socket = socket
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.once('close', () => {
    readers.delete(socket)
    accepted.destroy()
  })
  socket.resume()
  socket.read(0)
})
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`))
process.once('SIGTERM', () => process.exit(0))
