import { InvalidArgumentError } from 'commander'

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    const bound = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`
    throw new InvalidArgumentError(`A whole number is wanted, ${bound}.`)
  }
}

/** `name=value`, repeatable; the last one of a name wins. */
export function assignment(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('The form is name=value.')
  return { ...before, [text.slice(0, at).trim()]: text.slice(at + 1) }
}

/** `name=value`, repeatable; all are kept, in order. */
export function pair(
  text: string,
  before: readonly (readonly [string, string])[] = [],
): (readonly [string, string])[] {
  const [[name, value]] = Object.entries(assignment(text)) as [[string, string]]
  return [...before, [name, value]]
}

/** `0`, `0,3`, repeatable. */
export function partitionList(text: string, before: readonly number[] = []): number[] {
  const added = text.split(',').map(wholeNumber(0, 1_000_000))
  return [...new Set([...before, ...added])]
}

/** Repeatable. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

/** Escapes of a shell's `$'...'` that are of use in separators and formats. */
export function unescape(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    n: '\n',
    t: '\t',
    r: '\r',
    0: '\0',
    '\\': '\\',
  }
  return text.replace(/\\([ntr0\\])/g, (_match, letter: string) => escapes[letter]!)
}
