import { basename } from 'node:path'
import { nodeFileSystem, readCheckedFile, type DumpLine } from '@kfk/log-store'

/** What must hold of the lines of a file: the first thing that does not, or undefined. */
type Check = (lines: readonly string[]) => string | undefined

/** `0`, a count, and so many lines of a form, as Kafka writes its checkpoints. */
function checkpoint(line: RegExp, form: string): Check {
  return (lines) => {
    // Kafka makes its checkpoints empty.
    if (lines.length === 0) return undefined
    const [version, count, ...entries] = lines
    if (version !== '0') return `line 1: version ${JSON.stringify(version)} is not known`
    if (Number(count) !== entries.length) {
      return `line 2: ${JSON.stringify(count)} entries are said to follow, ${entries.length} do`
    }
    const bad = entries.findIndex((entry) => !line.test(entry))
    return bad < 0 ? undefined : `line ${bad + 3}: ${JSON.stringify(entries[bad])} is not ${form}`
  }
}

const offsets = checkpoint(/^\S+ \d{1,10} \d{1,16}$/, '<topic> <partition> <offset>')

function epochs(lines: readonly string[]): string | undefined {
  const bad = checkpoint(/^\d{1,10} \d{1,16}$/, '<epoch> <start offset>')(lines)
  if (bad !== undefined) return bad
  const entries = lines.slice(2).map((line) => line.split(' ').map(Number) as [number, number])
  const at = entries.findIndex(([epoch, start], index) => {
    const before = entries[index - 1]
    return before !== undefined && (epoch <= before[0] || start < before[1])
  })
  return at < 0 ? undefined : `line ${at + 3}: epochs and offsets must grow`
}

const properties: Check = (lines) => {
  const bad = lines.findIndex((line) => !/^(?:#.*|[^=:\s]+\s*[=:].*|)$/.test(line))
  return bad < 0
    ? undefined
    : `line ${bad + 1}: ${JSON.stringify(lines[bad])} is not <name>=<value>`
}

const offset: Check = (lines) =>
  lines.length === 1 && /^\d{1,16}$/.test(lines[0]!) ? undefined : 'line 1: is not an offset'

interface Place {
  readonly baseOffset: number
  readonly position: number
  readonly offset: number
  readonly reason: string
}

/** What the store has noted of damage is a problem, as long as it is there. */
const places: Check = (lines) => {
  let found: readonly Place[]
  try {
    found = JSON.parse(lines.join('\n')) as readonly Place[]
  } catch {
    return 'is not JSON'
  }
  if (found.length === 0) return undefined
  const named = found.map(
    ({ baseOffset, position, offset: due, reason }) =>
      `segment ${baseOffset} at byte ${position}, offset ${due} (${reason})`,
  )
  return `damaged: ${named.join('; ')}; kfk dump --repair mends it`
}

const checks: Readonly<Record<string, Check>> = {
  'recovery-point-offset-checkpoint': offsets,
  'log-start-offset-checkpoint': offsets,
  'replication-offset-checkpoint': offsets,
  'cleaner-offset-checkpoint': offsets,
  'leader-epoch-checkpoint': epochs,
  'meta.properties': properties,
  'partition.metadata': properties,
  'kfk.promised-epoch': properties,
  'kfk.offset-gaps': offset,
  'kfk.quarantine': places,
  '.kafka_cleanshutdown': () => undefined,
}

/** Whether a file of this name is text that can be dumped. */
export function isTextFile(name: string): boolean {
  return Object.hasOwn(checks, name)
}

/**
 * Prints a checkpoint or properties file and checks it, also against its checksum if there is one
 * beside it.
 */
export async function* dumpTextFile(
  path: string,
  { quiet }: { readonly quiet: boolean },
): AsyncGenerator<DumpLine, void, undefined> {
  const bytes = (await readCheckedFile(nodeFileSystem, path)) ?? new Uint8Array()
  const text = Buffer.from(bytes).toString('utf8')
  const lines = text.replace(/\n$/, '').split('\n')
  yield { text: `${basename(path)} ${path}, ${bytes.length} bytes`, problem: false }
  if (!quiet && text !== '') {
    for (const line of lines) yield { text: `  ${line}`, problem: false }
  }
  const bad = checks[basename(path)]!(text === '' ? [] : lines)
  if (bad !== undefined) yield { text: bad, problem: true }
}
