// The table on the terminal.
import { median, short, spread, usage } from './figures.mjs'

const rowTitle = (row) => row.replace('>', ' > ').padEnd(20)

/** What processor seconds are for, by the unit of the case (`amount` of measure.mjs). */
const perAmount = { 'records/s': 's/GB', 'requests/s': 's/M', us: 's/s' }

function usageText({ rounds, unit, process }) {
  const used = usage(rounds, process)
  if (used === undefined) return ''
  const cpu = `${used.userEach.toFixed(2)}+${used.systemEach.toFixed(2)} ${perAmount[unit]}`
  return `${process} ${cpu} ${used.residentMb.toFixed(0)} MB`
}

/** Whether memory grows while the same load goes on: medians of the first and the last quarter. */
function memoryDrift(rounds) {
  const samples = rounds[0].residentMb ?? []
  if (samples.length < 60) return ''
  const quarter = Math.floor(samples.length / 4)
  const [first, last] = [samples.slice(0, quarter), samples.slice(-quarter)].map(median)
  return `broker memory ${short(first)} -> ${short(last)} MB`
}

/** Latencies in microseconds: median over the rounds of each percentile. */
function percentiles(rounds) {
  if (rounds[0].p50Us === undefined) return ''
  const names = { p50Us: 'p50', p99Us: 'p99', p999Us: 'p99.9', maxUs: 'max' }
  const texts = Object.entries(names)
    .filter(([key]) => rounds[0][key] !== undefined)
    .map(([key, name]) => `${name} ${short(median(rounds.map((round) => round[key])))}`)
  const keptUp = rounds.map((round) => round.keptUp).filter((share) => share !== undefined)
  const lagging = keptUp.length > 0 && Math.min(...keptUp) < 0.98
  return `${texts.join(', ')} us${lagging ? `, only ${(median(keptUp) * 100).toFixed(0)} % of the rate` : ''}`
}

function formatRow({ unit, params }, { row, rounds, failure }, first) {
  if (rounds.length === 0) return `  ${rowTitle(row)} failed: ${failure ?? 'not run'}`
  const values = rounds.map(({ value }) => value)
  const ratio =
    first === undefined || first.rounds.length === 0
      ? ''
      : `x${short(median(values) / median(first.rounds.map((round) => round.value)))}`
  const megabytes =
    unit === 'records/s' ? `${((median(values) * params.valueBytes) / 1e6).toFixed(0)} MB/s` : ''
  const produced = rounds[0].producedPerSecond
    ? `produced ${short(median(rounds.map((round) => round.producedPerSecond)))}/s`
    : ''
  const value = unit === 'us' ? '' : spread(values).padEnd(34) + megabytes.padStart(9)
  return [
    `  ${rowTitle(row)} ${value}`,
    ...[percentiles(rounds), produced, ratio],
    ...['broker', 'producer', 'consumer'].map((process) => usageText({ rounds, unit, process })),
    memoryDrift(rounds),
    ...(failure ? [`then failed: ${failure}`] : []),
  ]
    .filter((part) => part !== '')
    .join('  ')
}

/** One case: a line for each row; `x` is the ratio to the first row. */
export function formatCase(each) {
  const [first] = each.rows
  const lines = each.rows.map((row) => formatRow(each, row, row === first ? undefined : first))
  return [`${each.name} (${each.unit})`, ...lines].join('\n')
}

/** What was aimed at, reached or not; what was not measured in this run is left out. */
export function formatAims({ aims, idleMb = {} }) {
  const idle = Object.entries(idleMb).map(([name, mb]) => `${name} ${short(mb)} MB`)
  const lines = aims.map(
    ({ text, found, reached }) => `  ${reached ? 'reached' : 'MISSED '}  ${text}: ${short(found)}`,
  )
  return [`brokers at rest: ${idle.join(', ')}`, ...(lines.length ? ['aims', ...lines] : [])].join(
    '\n',
  )
}
