// A plot for the docs: a bar for each row of each case, with the range of its rounds. No dependency, no script.
import { median, short } from './figures.mjs'

const width = 860
const labelWidth = 170
const barWidth = 480
const barHeight = 16
const gap = 4
const ours = '#2f6f4e'
const others = '#9aa5a0'

const escapeText = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function text({ x, y, size = 12, anchor = 'start', weight = 'normal' }, content) {
  const style = `font-size="${size}" text-anchor="${anchor}" font-weight="${weight}"`
  return `<text x="${x}" y="${y}" ${style}>${escapeText(content)}</text>`
}

const cut = (number) => Math.round(number * 10) / 10

function bar(row, values, { y, largest }) {
  const x = (value) => cut(labelWidth + (value / largest) * barWidth)
  const middle = y + barHeight / 2
  const [low, high] = [x(Math.min(...values)), x(Math.max(...values))]
  const colour = row.endsWith('>kfk') && /^(kfk|c)>/.test(row) ? ours : others
  const end = cut(x(median(values)) - labelWidth)
  return [
    text({ x: labelWidth - 8, y: y + 12, anchor: 'end' }, row.replace('>', ' on ')),
    `<rect x="${labelWidth}" y="${y}" width="${end}" height="${barHeight}" fill="${colour}"/>`,
    `<path d="M${low} ${middle}H${high}M${low} ${y + 4}v8M${high} ${y + 4}v8" stroke="#000" fill="none"/>`,
    text({ x: Math.max(high, x(median(values))) + 8, y: y + 12 }, short(median(values))),
  ]
}

/** Rates: longer is better. Latencies (p99): shorter is better; both said in the title of the case. */
export function plotResults({ cases, machine, rounds, date }) {
  const parts = []
  let y = 46
  for (const { name, unit, rows } of cases) {
    const shown = rows.filter((each) => each.rounds.length > 0)
    if (shown.length === 0) continue
    const values = new Map(shown.map((each) => [each.row, each.rounds.map(({ value }) => value)]))
    const largest = Math.max(...[...values.values()].flat())
    const title = unit === 'us' ? `${name}: p99, us (shorter is better)` : `${name}: ${unit}`
    parts.push(text({ x: 12, y: y + 12, size: 13, weight: 'bold' }, title))
    y += 22
    for (const [row, list] of values) {
      parts.push(...bar(row, list, { y, largest }))
      y += barHeight + gap
    }
    y += 14
  }
  const note = `${machine}; median of ${rounds} rounds, the line from least to most; ${date.slice(0, 10)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif">`,
    `<rect width="${width}" height="${y}" fill="#fff"/>`,
    text({ x: 12, y: 26, size: 12 }, note),
    ...parts,
    '</svg>\n',
  ].join('\n')
}
