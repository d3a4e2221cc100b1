/** A place where what two brokers did differs. */
export interface Difference {
  /** API and version, and what the scenario calls this step. */
  readonly step: string
  /** Such as `responses[0].errorCode`. */
  readonly path: string
  readonly kfk: unknown
  readonly kafka: unknown
}

/** A difference that is right, and why. */
export interface Allowance {
  /** As in a {@link Difference}, with `[]` for any index; it stands for all below, '' for all, '*' for what is above. */
  readonly path: string
  /** The name of the API; all of them when left out. */
  readonly api?: string
  /** Part of the name of a step; all of them when left out. */
  readonly step?: string
  readonly why: string
  /** Allowed only as long as this is what kfk says, and `kafka` what Kafka does. */
  readonly kfk?: unknown
  readonly kafka?: unknown
}

/** One step of a scenario: what was asked, and what came of it. */
export interface Step {
  readonly name: string
  readonly api: string
  readonly outcome: unknown
}

/** Steps of the same script against both brokers, side by side. */
export function differences(
  kfk: readonly Step[],
  kafka: readonly Step[],
  allowed: readonly Allowance[],
): Difference[] {
  const found: Difference[] = []
  for (let at = 0; at < Math.max(kfk.length, kafka.length); at++) {
    const [ours, theirs] = [kfk[at], kafka[at]]
    const step = `#${at + 1} ${ours?.name ?? theirs!.name}`
    if (ours?.name !== theirs?.name) {
      // The script went another way because of an answer: what follows says nothing.
      found.push({ step, path: '(step)', kfk: ours?.name, kafka: theirs?.name })
      break
    }
    for (const difference of compare(ours!.outcome, theirs!.outcome, '')) {
      if (!isAllowed(difference, ours!, allowed)) found.push({ step, ...difference })
    }
  }
  return found
}

function isAllowed(
  difference: Omit<Difference, 'step'>,
  { api, name }: Step,
  allowed: readonly Allowance[],
): boolean {
  const general = difference.path.replace(/\[\d+\]/g, '[]')
  return allowed.some(
    (one) =>
      (one.api ?? api) === api &&
      (!('kfk' in one) || (one.kfk === difference.kfk && one.kafka === difference.kafka)) &&
      name.includes(one.step ?? '') &&
      (one.path === '' ||
        general === one.path ||
        general.startsWith(`${one.path}.`) ||
        general.startsWith(`${one.path}[]`) ||
        (one.path.startsWith('*') && general.endsWith(one.path.slice(1)))),
  )
}

function compare(kfk: unknown, kafka: unknown, path: string): Omit<Difference, 'step'>[] {
  if (Object.is(kfk, kafka)) return []
  if (Array.isArray(kfk) && Array.isArray(kafka)) {
    const length = Math.max(kfk.length, kafka.length)
    return Array.from({ length }, (_, at) => compare(kfk[at], kafka[at], `${path}[${at}]`)).flat()
  }
  if (isStruct(kfk) && isStruct(kafka)) {
    const fields = new Set([...Object.keys(kfk), ...Object.keys(kafka)])
    return [...fields].flatMap((field) =>
      compare(kfk[field], kafka[field], path === '' ? field : `${path}.${field}`),
    )
  }
  return [{ path, kfk, kafka }]
}

function isStruct(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** For people: one line each, and the same in several versions of an API once. */
export function report(found: readonly Difference[]): string[] {
  const versions = new Map<string, string[]>()
  for (const { step, path, kfk, kafka } of found) {
    const version = /^#\d+ \w+ (v-?\d+)/.exec(step)?.[1]
    const name = version === undefined ? step : step.replace(/^#\d+ /, '').replace(version, 'vN')
    const line = `${name}: ${path}: kfk ${show(kfk)}, Kafka ${show(kafka)}`
    const of = versions.get(line)
    if (of === undefined) versions.set(line, [version ?? ''])
    else of.push(version ?? '')
  }
  return [...versions].map(([line, of]) => line.replace('vN', [...new Set(of)].join(' ')))
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'bigint' ? `${one}n` : one,
  )
  return text.length > 300 ? `${text.slice(0, 300)}...` : text
}
