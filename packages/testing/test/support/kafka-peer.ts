/* A Kafka whose cleaner works at once and whose partition directories are looked at. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { eventually, type JavaKafka } from '../../src/index.js'

export const kafkaConfig = {
  'log.cleaner.backoff.ms': '100',
  'log.cleaner.dedupe.buffer.size': '4000000',
  'transaction.state.log.num.partitions': '2',
  // After kill -9 it may not register again before this is over.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
}

/** Base offset of the segment that is written to. */
export function activeBase(dir: string): number {
  const bases = readdirSync(dir).map((name) => Number(/^(\d{20})\.log$/.exec(name)?.[1] ?? 0))
  return Math.max(...bases)
}

/** Waits for a cleaning of all but the active segment; answers where that one begins. */
export async function whenCleaned(kafka: JavaKafka, topic: string): Promise<number> {
  const file = path.join(kafka.logDir, 'cleaner-offset-checkpoint')
  return eventually(`${topic} is cleaned`, () => {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    const base = activeBase(path.join(kafka.logDir, `${topic}-0`))
    return text.includes(`${topic} 0 ${base}\n`) ? base : undefined
  })
}

/** What Kafka had to say about its logs when it started. */
function complaints(output: string): string[] {
  const ofLogs = /UnifiedLog|LogLoader|LogSegment|LogManager|Index|Checkpoint|ProducerState/
  const unusual = /corrupt|invalid|mismatch|rebuilding index|truncat|not found|could not/i
  // The last: a node may register with its controller before that one is active; it tries again.
  const harmless =
    /controller activation|Attempting to close NetworkClient|request .*CONTROLLER_REGISTRATION/
  return output
    .split('\n')
    .filter(
      (line) => /\b(WARN|ERROR|FATAL)\b/.test(line) || (ofLogs.test(line) && unusual.test(line)),
    )
    .filter((line) => !harmless.test(line))
}

/** It took all logs for cleanly closed, and found nothing to complain of but what is `allowed`. */
export function expectGoodStart(kafka: JavaKafka, allowed = /^$/): void {
  expect(kafka.output()).toMatch(/Skipping recovery .* since clean shutdown file was found/)
  expect(complaints(kafka.output()).filter((line) => !allowed.test(line))).toEqual([])
}
