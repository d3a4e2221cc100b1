// Figures of several rounds, in numbers and as short text.

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]

/** Three significant digits with k or M; the same for rates, times and sizes. */
export function short(value) {
  if (value === undefined || !Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  const [scaled, suffix] =
    size >= 1e6 ? [value / 1e6, ' M'] : size >= 10_000 ? [value / 1e3, ' k'] : [value, '']
  const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2
  return scaled.toFixed(digits) + suffix
}

export function spread(values) {
  const text = `${short(median(values))} [${short(Math.min(...values))} .. ${short(Math.max(...values))}]`
  return values.length === 1 ? short(values[0]) : text
}

/** Medians over the rounds of what each process used: processor seconds for each unit of `amount`, and memory. */
export function usage(rounds, process) {
  const known = rounds.filter(({ used }) => used?.[process])
  if (known.length === 0) return undefined
  const each = (key) => median(known.map(({ used, amount }) => used[process][key] / amount))
  return {
    userEach: each('userSeconds'),
    systemEach: each('systemSeconds'),
    residentMb: median(known.map(({ used }) => used[process].residentMb)),
  }
}
