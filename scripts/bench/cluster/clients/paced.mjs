// What all clients in Node share at a fixed rate. Values begin with the time at which they were due: a number above 0 is
// measured, 0 belongs to the first seconds, and below 0 it is one of the calls that warm up producer, broker and consumer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { nowUs, planLoad } from '../open-loop.mjs'

/** Records so old may still wait in the producer's buffer while their value's memory is used again. */
const ringSize = 1 << 16
const pacer = fileURLToPath(new URL('pacer.mjs', import.meta.url))

const planOf = ({ rate, warmSeconds, seconds }) =>
  planLoad({ ratePerSecond: rate, seconds: warmSeconds + seconds })

/**
 * One record after the other, each when the one before it is acknowledged: `warmCalls` of them, or as many as fit into
 * `warmMs`. Machine code is made of what has run some thousand times, in every row alike.
 */
async function warmUp({ warmCalls, warmMs, valueBytes }, send) {
  const value = Buffer.alloc(valueBytes)
  value.writeDoubleBE(-1)
  const endUs = nowUs() + warmMs * 1000
  await send(value)
  for (let call = 1; call < warmCalls && nowUs() < endUs; call++) await send(value)
}

/**
 * Sends at a fixed rate whatever comes back. `post` takes a value, and answers false when there is no room; `ready` answers
 * when there is, `flush` when all is acknowledged.
 */
export async function pacedSends(job, { send, post, ready, flush }) {
  const plan = planOf(job)
  const ring = Buffer.alloc(ringSize * job.valueBytes, 1)
  const slots = Array.from({ length: Math.min(ringSize, plan.records) }, (_, at) =>
    ring.subarray(at * job.valueBytes, (at + 1) * job.valueBytes),
  )
  await warmUp(job, send)
  return async () => {
    const ticks = spawn(process.execPath, [pacer, String(plan.tickUs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(ticks.stdout, 'data')
    const startUs = nowUs()
    const warmUs = job.warmSeconds * 1e6
    let sent = 0
    const sendDue = async () => {
      // What falls due meanwhile is for the next tick: the client needs its turns of the event loop.
      for (const due = plan.dueBy(nowUs() - startUs); sent < due;) {
        const value = slots[sent % slots.length]
        const dueUs = plan.dueUs(sent++)
        // A system at rest has no queue to hide: there the clock starts when the record is sent.
        value.writeDoubleBE(dueUs < warmUs ? 0 : job.idle ? nowUs() : startUs + dueUs, 0)
        if (!post(value)) await ready()
      }
    }
    let sending = Promise.resolve()
    let busy = false
    ticks.stdout.on('data', () => {
      if (busy) return
      busy = true
      sending = sendDue().finally(() => (busy = false))
    })
    while (sent < plan.records) await once(ticks.stdout, 'data')
    await sending
    ticks.kill()
    await flush()
    return { records: sent, seconds: (nowUs() - startUs) / 1e6 }
  }
}

/** Takes in what a consumer gets; `take` answers true when all that was planned has come. */
export async function latenciesOf(job) {
  const { build } = await import('hdr-histogram-js')
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 6e8 })
  const { records } = planOf(job)
  let seen = 0
  return {
    take(atUs, value) {
      const dueUs = new DataView(value.buffer, value.byteOffset, 8).getFloat64(0)
      if (dueUs > 0) histogram.recordValue(Math.max(1, Math.round(atUs - dueUs)))
      if (dueUs >= 0) seen++
      return seen >= records
    },
    figures() {
      const at = (percentile) => histogram.getValueAtPercentile(percentile)
      const maxUs = histogram.maxValue
      return { records: seen, p50Us: at(50), p99Us: at(99), p999Us: at(99.9), maxUs }
    },
  }
}
