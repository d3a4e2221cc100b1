// The least that producer and consumer in Node must do, on the bare server: a frame a record, its value at the frame's end.
import { once } from 'node:events'
import net from 'node:net'
import { nowUs } from '../open-loop.mjs'
import { latenciesOf, pacedSends } from './paced.mjs'

/** What Produce and record batch take in front of the value of a request with one record. */
const headBytes = 140
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

/** `each` gets the frames that come, in memory that is used again. */
async function connect(port, each) {
  let held = Buffer.alloc(0)
  const onread = {
    buffer: scratch,
    callback(byteCount, bytes) {
      const came = bytes.subarray(0, byteCount)
      const all = held.length > 0 ? Buffer.concat([held, came]) : came
      let at = 0
      for (; all.length - at >= 4 && all.length - at >= 4 + all.readInt32BE(at);) {
        const end = at + 4 + all.readInt32BE(at)
        each(all.subarray(at, end))
        at = end
      }
      held = at === all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(at))
      return true
    },
  }
  const socket = net.connect({ port, host: '127.0.0.1', onread })
  socket.setNoDelay(true)
  await once(socket, 'connect')
  return socket
}

function frameOf(apiKey, byteCount) {
  const frame = Buffer.alloc(byteCount)
  frame.writeInt32BE(byteCount - 4)
  frame.writeInt16BE(apiKey, 4)
  return frame
}

async function pacedProduce(job) {
  let unanswered = 0
  let wake = () => {}
  const socket = await connect(job.port, () => --unanswered === 0 && wake())
  const post = (value) => {
    const frame = frameOf(0, headBytes + value.length)
    value.copy(frame, headBytes)
    unanswered++
    return socket.write(frame)
  }
  const flush = () =>
    unanswered === 0 ? undefined : new Promise((resolve) => (wake = () => resolve()))
  const send = (value) => {
    post(value)
    return flush()
  }
  return pacedSends(job, { send, post, ready: () => once(socket, 'drain'), flush })
}

async function pacedConsume(job) {
  const latencies = await latenciesOf(job)
  let end
  const ended = new Promise((resolve) => (end = resolve))
  const socket = await connect(job.port, (frame) => {
    if (latencies.take(nowUs(), frame.subarray(headBytes))) end()
  })
  socket.write(frameOf(1, 16))
  return async () => {
    await ended
    return latencies.figures()
  }
}

export const roles = { pacedProduce, pacedConsume }
