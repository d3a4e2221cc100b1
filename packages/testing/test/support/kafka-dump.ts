/* Kafka's own checker of partition directories. */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { JavaTools } from '../../src/index.js'

const tool = 'kafka.tools.DumpLogSegments'
const checked = /\.(log|index|timeindex|txnindex|snapshot)$/

/** What DumpLogSegments told of one partition directory. */
export interface KafkaDump {
  /** Files, by name, that it has looked at. */
  readonly files: readonly string[]
  /** Lines with what it does not like; empty when all is well. */
  readonly problems: readonly string[]
  /** Offsets missing between records, as `12 is followed by 15`; normal after compaction. */
  readonly gaps: readonly string[]
  /** Records, markers included. */
  readonly records: number
  /** Lines that tell of producers: of snapshots and of transaction indexes. */
  readonly producers: readonly string[]
}

const bad =
  /mismatch|timestamp: \d+, (log|Previously)|out of order|not found in the log|found log offset|invalid bytes|is ?valid: false|Error at|Exception|Ignoring unknown|corrupt|Non-consecutive/i

/** Runs it in all of its modes over all files of the directory. */
export async function kafkaDump(java: JavaTools, dir: string): Promise<KafkaDump> {
  const files = readdirSync(dir).filter((name) => checked.test(name))
  const indexes = files.filter((name) => /\.(index|timeindex)$/.test(name))
  const paths = (names: readonly string[]) => names.map((name) => path.join(dir, name)).join(',')
  const run = async (mode: readonly string[], names: readonly string[]): Promise<string[]> => {
    if (names.length === 0) return []
    const { code, output } = await java.run(tool, [...mode, '--files', paths(names)])
    const lines = output.split('\n')
    return code === 0 ? lines : [...lines, `Exception: the dump ended with ${code}`]
  }
  const deep = await run(['--deep-iteration', '--print-data-log'], files)
  const sanity = await run(['--index-sanity-check'], indexes)
  const verified = await run(['--verify-index-only'], indexes)
  const all = [...deep, ...sanity, ...verified]
  const passed = sanity.join('\n')
  const unchecked = indexes
    // It says nothing of an index that is empty but its name.
    .filter((name) => !passed.includes(`${path.join(dir, name)} passed sanity check`))
    .filter((name) => statSync(path.join(dir, name)).size > 0)
  const gaps = all.filter((line) => / is followed by /.test(line))
  return {
    files,
    problems: [
      ...all.filter((line) => bad.test(line) && !(gaps.length > 0 && /Non-consec/.test(line))),
      ...unchecked.map((name) => `${name} was not checked`),
    ],
    gaps: gaps.map((line) => line.trim()),
    records: deep.filter((line) => /^\| offset: /.test(line)).length,
    producers: deep.filter((line) => /^(producerId|version): /.test(line)),
  }
}
