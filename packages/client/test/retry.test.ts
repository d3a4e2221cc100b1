import fc from 'fast-check'
import { ClientError, kafkaError } from '../src/errors.js'
import { seededRandom } from '../src/random.js'
import { backoffMs, retrying } from '../src/retry.js'
import { ManualClock } from './manual-clock.js'

const policy = { retries: 3, initialMs: 100, maxMs: 1000 }

describe('backoff', () => {
  test('doubles up to its bound, within a fifth of jitter, and repeats with the seed', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.integer(), (attempt, seed) => {
        const nominal = Math.min(1000, 100 * 2 ** attempt)
        const wait = backoffMs(policy, attempt, seededRandom(seed))
        expect(wait).toBeGreaterThanOrEqual(nominal * 0.8)
        expect(wait).toBeLessThanOrEqual(nominal * 1.2)
        expect(backoffMs(policy, attempt, seededRandom(seed))).toBe(wait)
      }),
      { seed: 1 },
    )
  })
})

describe('retrying', () => {
  function environment() {
    return { clock: new ManualClock(), random: () => 0.5 }
  }

  test('repeats what is retriable, and returns the first success', async () => {
    const env = environment()
    const attempts: number[] = []
    const result = retrying(
      async (attempt) => {
        attempts.push(attempt)
        if (attempt < 2) throw kafkaError(6)
        return 'done'
      },
      policy,
      env,
    )
    await env.clock.advance(99)
    expect(attempts).toEqual([0])
    await env.clock.advance(201)
    expect(await result).toBe('done')
  })

  test('gives up after the retries with the last error as it was', async () => {
    const env = environment()
    const last = kafkaError(6)
    const result = retrying(() => Promise.reject(last), policy, env)
    const outcome = result.catch((error: unknown) => error)
    await env.clock.advance(100 + 200 + 400)
    expect(await outcome).toBe(last)
  })

  test('does not repeat what is final or foreign', async () => {
    const env = environment()
    for (const error of [kafkaError(10), new TypeError('bug')]) {
      let attempts = 0
      const operation = async (): Promise<never> => {
        attempts += 1
        throw error
      }
      await expect(retrying(operation, policy, env)).rejects.toBe(error)
      expect(attempts).toBe(1)
    }
  })

  test('stops at its time bound, and at once when aborted', async () => {
    const env = environment()
    const fail = (): Promise<never> => Promise.reject(kafkaError(6))
    await expect(retrying(fail, policy, env, { timeoutMs: 50 })).rejects.toThrow(ClientError)
    const abort = new AbortController()
    const outcome = retrying(fail, policy, env, { signal: abort.signal }).catch(
      (error: unknown) => error,
    )
    await env.clock.advance(10)
    abort.abort()
    expect(await outcome).toMatchObject({ code: 'KFK_CLIENT_ABORTED' })
    expect(env.clock.pendingTimers).toBe(0)
  })
})
