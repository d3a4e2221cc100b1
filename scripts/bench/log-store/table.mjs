// Figures of several rounds as text.

/** Shown value and digits by unit; figures are kept in bytes, seconds^-1, microseconds, milliseconds. */
const units = {
  'MB/s': (value) => value / 1e6,
  'k/s': (value) => value / 1e3,
}

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]

const short = (value) => {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 4
  return value.toLocaleString('en-US', {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  })
}

const spread = (list) =>
  `${short(median(list)).padStart(7)} [${short(Math.min(...list))} .. ${short(Math.max(...list))}]`

/** Aims are met by the median. */
export function judge({ aim = {} }, values, ratios) {
  const checks = []
  const add = (text, met) => checks.push({ text, met })
  if (aim.atLeast !== undefined)
    add(`>= ${short(aim.shown ?? aim.atLeast)}`, median(values) >= aim.atLeast)
  if (aim.atMost !== undefined)
    add(`<= ${short(aim.shown ?? aim.atMost)}`, median(values) <= aim.atMost)
  if (ratios.length > 0 && aim.ratio !== undefined) {
    add(`ratio >= ${aim.ratio}`, median(ratios) >= aim.ratio)
  }
  if (ratios.length > 0 && aim.ratioAtMost !== undefined) {
    add(`ratio <= ${aim.ratioAtMost}`, median(ratios) <= aim.ratioAtMost)
  }
  if (checks.length === 0) return ''
  const met = checks.every((check) => check.met)
  return `${checks.map(({ text }) => text).join(', ')}: ${met ? 'reached' : 'MISSED'}`
}

export function formatRow({ name, figure, values, raws, ratios, note }) {
  const title = `${name}${figure.label ? `, ${figure.label}` : ''}`.padEnd(58)
  if (values.length === 0) return `${title} ${note}`
  const shown = units[figure.unit] ?? ((value) => value)
  const base = figure.against === 'bare' ? 'bare' : 'raw'
  const own = `${spread(values.map(shown))} ${figure.unit}`.padEnd(36)
  const raw = (raws.length > 0 ? `${base} ${short(shown(median(raws)))}` : '').padEnd(14)
  const ratio = (ratios.length > 0 ? `ratio ${spread(ratios)}` : '').padEnd(33)
  return `${title} ${own} ${raw} ${ratio} ${judge(figure, values, ratios)}`.trimEnd()
}
