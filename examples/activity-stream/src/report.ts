import type { LoadReport } from '@kfk/hadoop-loader'
import type { IngestResult } from './ingest.js'
import { thousands } from './live-view.js'
import type { TopicVerdict } from './verification.js'

export interface ReportInput {
  readonly input: string
  readonly ingested: IngestResult
  readonly verdicts: readonly TopicVerdict[]
  readonly load: LoadReport
  readonly onlineSeconds: number
  readonly firstCountMs: number | undefined
  /** Node id of the leader of each partition, by topic. */
  readonly leaders: ReadonlyMap<string, readonly number[]>
  readonly places: Readonly<Record<string, string>>
}

const rate = (count: number, seconds: number): string =>
  `${thousands(Math.round(count / Math.max(seconds, 0.001)))}/s`

/** Whether every number agrees with every other. */
export function agrees({
  ingested,
  verdicts,
}: Pick<ReportInput, 'ingested' | 'verdicts'>): boolean {
  const { progress, linesRead } = ingested
  const rejected = Object.values(progress.rejected).reduce((sum, count) => sum + count, 0)
  const linesBalance =
    progress.lines === progress.accepted + rejected && progress.lines >= linesRead
  const sent = { 'page-views': progress.accepted, searches: progress.searches }
  return (
    linesBalance &&
    verdicts.every(
      ({ agrees: sides, log, topic }) =>
        sides && (log.bySource.get(progress.source) ?? 0) === sent[topic],
    )
  )
}

/** The closing words: every number twice, from two sides. */
export function report(input: ReportInput): string[] {
  const { ingested, verdicts, load, onlineSeconds, firstCountMs, places } = input
  return [
    '',
    ...linesSection(input),
    '',
    ...verdicts.flatMap((verdict) => topicSection(verdict, input.leaders)),
    `rates    ingest ${rate(ingested.newLines, ingested.seconds)} lines` +
      `, online ${rate(total(verdicts, 'online'), onlineSeconds)} records` +
      `, offline ${rate(load.records, load.seconds)} records (${(load.bytes / 1e6).toFixed(1)} MB in ${load.files} files)` +
      (firstCountMs === undefined
        ? ''
        : `, first count after ${(firstCountMs / 1000).toFixed(2)} s`),
    ...Object.entries(places).map(([what, where]) => `${what.padEnd(8)} ${where}`),
    '',
    agrees(input) ? 'All numbers agree.' : 'THE NUMBERS DO NOT AGREE: see above.',
  ]
}

function linesSection({ input, ingested }: ReportInput): string[] {
  const { progress } = ingested
  const reasons = Object.entries(progress.rejected)
  const rejected = reasons.reduce((sum, [, count]) => sum + count, 0)
  const known = progress.lines - ingested.newLines
  return [
    `lines    ${thousands(progress.lines)} read from ${input} = ${thousands(progress.accepted)} accepted + ${thousands(rejected)} rejected` +
      (known > 0 ? ` (${thousands(known)} of them in earlier runs)` : ''),
    ...reasons.map(([reason, count]) => `         rejected ${thousands(count)}: ${reason}`),
  ]
}

function topicSection(verdict: TopicVerdict, leaders: ReportInput['leaders']): string[] {
  const { topic, log, online, offline, loadedTwice } = verdict
  const byBroker = new Map<number, number>()
  for (const [partition, count] of log.byPartition.entries()) {
    const broker = leaders.get(topic)?.[partition] ?? -1
    byBroker.set(broker, (byBroker.get(broker) ?? 0) + count)
  }
  const brokers = [...byBroker].sort(([a], [b]) => a - b)
  const sign = log.records === online && online === offline ? '=' : '≠'
  return [
    topic,
    `  partitions ${log.byPartition.map(thousands).join('  ')}`,
    `  brokers    ${brokers.map(([broker, count]) => `${broker}: ${thousands(count)}`).join('   ')}`,
    `  order      ${log.outOfOrder.length === 0 ? 'kept for every key' : `BROKEN for ${log.outOfOrder.length} keys, such as ${log.outOfOrder[0]}`}`,
    `  records    online ${thousands(online)} ${sign} offline ${thousands(offline)} ${sign} log ${thousands(log.records)}${loadedTwice > 0 ? `, ${loadedTwice} LOADED TWICE` : ''}`,
  ]
}

function total(verdicts: readonly TopicVerdict[], what: 'online' | 'offline'): number {
  return verdicts.reduce((sum, verdict) => sum + verdict[what], 0)
}
