// Disks as a directory of logs leaves them: closed, killed, without power, in the middle of a swap.
import {
  type FaultyFileSystem,
  recordingFileSystem,
  type RecordingFileSystem,
} from '../../src/index'
import type { DiskChange, Survival } from '../../src/fs/disk-step'
import { faultyFileSystemOver } from '../../src/fs/faulty-file-system'
import type { MemoryTree } from '../../src/fs/memory-file-system'
import { path, Session } from './failing-session'
import { settle } from './records'
import { Contents } from './session-contents'

export interface Image {
  readonly name: string
  /** The disk once more, and what its logs must hold. */
  make(): { fileSystem: FaultyFileSystem; expected: Map<string, Contents> }
}

type Survives = (change: DiskChange, index: number) => Survival
const names = ['a-0', 'b-0', 'c-0', 'k-0', 'p-0']
const kept: Survives = () => 'kept'

interface Used {
  readonly disk: RecordingFileSystem
  readonly expected: Map<string, Contents>
}

/** A session that has done a bit of everything, and goes on. */
async function used(): Promise<Used & { readonly session: Session }> {
  const disk = recordingFileSystem()
  const session = new Session(disk, new Map(names.map((name) => [name, new Contents()])))
  await session.open()
  for (let round = 0; round < 3; round++) {
    for (const name of names) await session.append((await session.log(name))!, 4)
    if (round === 0) await session.try((directory) => directory.checkpoint())
    if (round === 1) await session.retain('b-0')
  }
  await session.advanceStart('a-0')
  session.clock.advance(1_500)
  await settle(3)
  if (session.errors.length > 0) throw session.errors[0]!
  return { disk, session, expected: session.expected }
}

function imageOf(
  name: string,
  from: Used,
  at: { count: number; survives: Survives; change?: (tree: MemoryTree) => void },
): Image {
  const { disk } = from
  const contents = copyOf(from.expected)
  return {
    name,
    make() {
      const { tree } = disk.crashAfter(at.count).restart(at.survives)
      at.change?.(tree)
      // One more log is not there yet.
      const expected = copyOf(contents).set('n-0', new Contents())
      return { fileSystem: faultyFileSystemOver(tree), expected }
    },
  }
}

function copyOf(expected: Map<string, Contents>): Map<string, Contents> {
  return new Map([...expected].map(([name, contents]) => [name, contents.copy()]))
}

/** Closed; and closed, but Kafka or a person was there since. */
async function closed(): Promise<Image[]> {
  const made = await used()
  await made.session.close()
  const at = { count: made.disk.steps.length, survives: kept }
  return [
    imageOf('closed', made, at),
    imageOf('closed, then used by Kafka', made, {
      ...at,
      change(tree) {
        const directory = tree.directory(path)
        write(tree, `${path}/.kafka_cleanshutdown`, '{"version":0,"brokerEpoch":7}')
        write(tree, `${path}/recovery-point-offset-checkpoint`, '0\n0\n')
        directory.delete('kfk.logs')
        for (const name of [...tree.directory(`${path}/b-0`).keys()]) {
          if (name.endsWith('index')) tree.directory(`${path}/b-0`).delete(name)
        }
      },
    }),
  ]
}

function write(tree: MemoryTree, name: string, text: string): void {
  const file = tree.file(name)
  if (file === undefined) throw new Error(`there is no ${name}`)
  file.truncate(0)
  file.write(Buffer.from(text), 0)
}

/** Ended in the middle of writing, by a kill and by a power cut; one of its segments has rotted. */
async function interrupted(): Promise<Image[]> {
  const made = await used()
  const { disk, session } = made
  for (const name of ['a-0', 'p-0', 'k-0']) {
    const log = session.directory!.get(name)!
    const appending = session.append(log, 3)
    log.flushNow()
    await Promise.race([appending, Promise.resolve()])
  }
  const count = disk.steps.length
  const { pending } = disk.crashAfter(count)
  const last = pending.findLastIndex(
    (change) => change.kind === 'write' && change.path.endsWith('.log'),
  )
  const torn: Survives = (change, index) =>
    index === last && change.kind === 'write'
      ? { from: 0, to: change.bytes.length >> 1, zeros: false }
      : 'kept'
  const images = [
    imageOf('killed in a write', made, { count, survives: torn }),
    imageOf('without power', made, {
      count,
      survives: (change) => (change.kind === 'write' ? 'lost' : 'kept'),
    }),
  ]
  session.expected.get('b-0')!.damaged = true
  const rotten = imageOf('killed, and a segment has rotted', made, {
    count,
    survives: torn,
    change(tree) {
      const sealed = [...tree.directory(`${path}/b-0`).keys()]
        .filter((name) => name.endsWith('.log'))
        .sort()[0]!
      tree.file(`${path}/b-0/${sealed}`)!.write(Buffer.from('rot'), 45)
    },
  })
  return [...images, rotten]
}

/** Ended in the middle of a compaction: from every kind of change of names to the next. */
async function swapping(): Promise<Image[]> {
  const made = await used()
  const { disk, session } = made
  const from = disk.steps.length
  const whole = copyOf(session.expected)
  await session.try((directory) => directory.compact('k-0'))
  if (session.errors.length > 0) throw session.errors[0]!
  const kinds = new Map<string, number>()
  for (let at = from; at < disk.steps.length; at++) {
    const step = disk.steps[at]!
    if (step.kind !== 'rename' || !step.path.includes('/k-0/')) continue
    const [, old] = /(\.\w+)$/.exec(step.path) ?? []
    const [, ending] = /(\.\w+)$/.exec(step.to) ?? []
    if (old === '.tmp' || ending === undefined) continue
    const kind = `${old} to ${ending}`
    if (!kinds.has(kind)) kinds.set(kind, at + 1)
  }
  return ['.cleaned to .swap', '.log to .deleted', '.swap to .timeindex'].map((kind) => {
    const count = kinds.get(kind)
    if (count === undefined) throw new Error(`no ${kind} among ${[...kinds.keys()].join()}`)
    const name = `stopped in a swap (${kind})`
    return imageOf(name, { disk, expected: whole }, { count, survives: kept })
  })
}

export async function makeImages(): Promise<Image[]> {
  return [...(await closed()), ...(await interrupted()), ...(await swapping())]
}
