import { InvalidArgumentError } from 'commander'

/** Where to begin to read. */
export type StartAt = 'earliest' | 'latest' | { readonly timestamp: number }

/** Where to put a group: besides a {@link StartAt} an offset, so far on, or so long ago. */
export type ResetTo =
  StartAt | { readonly offset: bigint } | { readonly shift: bigint } | { readonly agoMs: number }

const iso = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/

/** `earliest`, `latest`, milliseconds since 1970, or a time by ISO 8601. */
export function parseStart(text: string): StartAt {
  if (/^\d{1,15}$/.test(text)) return { timestamp: Number(text) }
  return wordOrTime(text, 'earliest, latest, milliseconds since 1970, or a time')
}

const durationForm = /^P(?=\d|T\d)(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/
const unitsMs = [86_400_000, 3_600_000, 60_000, 1000]

/**
 * `earliest`, `latest`, an offset, `+N` or `-N` records, a time by ISO 8601, `time:` with
 * milliseconds since 1970, or a duration by ISO 8601 (`P1DT2H3M4S`) that is to be counted back.
 */
export function parseReset(text: string): ResetTo {
  if (/^[+-]\d{1,16}$/.test(text)) return { shift: BigInt(text.replace('+', '')) }
  const duration = durationForm.exec(text)
  if (duration !== null) {
    const parts = duration.slice(1).map((part: string | undefined) => Number(part ?? 0))
    return { agoMs: parts.reduce((sum, part, index) => sum + part * unitsMs[index]!, 0) }
  }
  if (/^\d{1,16}$/.test(text)) return { offset: BigInt(text) }
  const milliseconds = /^time:(\d{1,15})$/.exec(text)
  if (milliseconds !== null) return { timestamp: Number(milliseconds[1]) }
  return wordOrTime(text, 'earliest, latest, an offset, +N, -N, PT1H, time:MILLISECONDS, or a time')
}

function wordOrTime(text: string, allowed: string): StartAt {
  if (text === 'earliest' || text === 'latest') return text
  const timestamp = iso.test(text) ? Date.parse(text.replace(' ', 'T')) : NaN
  if (!Number.isNaN(timestamp)) return { timestamp }
  throw new InvalidArgumentError(`Allowed are ${allowed} such as 2026-01-31T12:00:00Z.`)
}
