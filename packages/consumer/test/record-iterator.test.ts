import { seededRandom } from '@kfk/client'
import { settle } from '../../client/test/manual-clock.js'
import type { TakenRecords } from '../src/assigned-partition.js'
import type { ReadableRecord, ReadableRecords } from '../src/record-decoder.js'
import { RecordIterator, type RecordIteratorOptions } from '../src/record-iterator.js'

/** What is to hold: the generator that the iterator stands for. */
async function* reference(options: RecordIteratorOptions): AsyncGenerator<ReadableRecord, void> {
  for (;;) {
    const taken = await options.take()
    if (taken === undefined) return
    const { partition } = taken
    try {
      const { records, failure } = await options.decode(taken)
      let index = 0
      for (; index < records.length && !partition.interrupted && !options.isClosed(); index++) {
        yield records.at(index)!
        partition.progress(records.at(index)!.position + 1)
      }
      if (index === records.length) options.conclude(partition, failure)
    } finally {
      options.end(partition)
    }
  }
}

interface Script {
  readonly runs: readonly { count: number; fails: 'never' | 'take' | 'decode' | 'conclude' }[]
  readonly steps: readonly ('next' | 'return' | 'throw' | 'interrupt' | 'close' | 'settle')[]
}

/** What the calls answer, in order, and what was done to the partitions meanwhile. */
async function play(
  script: Script,
  start: (options: RecordIteratorOptions) => AsyncGenerator<unknown, void>,
): Promise<unknown[]> {
  const log: unknown[] = []
  const failure = { error: new Error('unreadable'), offset: 99 }
  let run = -1
  let isClosed = false
  let partition = { interrupted: false, progress: (to: number) => void log.push(['done', to]) }
  const current = (): Script['runs'][number] => script.runs[run]!
  const iterator = start({
    take: async () => {
      run += 1
      if (current() === undefined) return undefined
      if (current().fails === 'take') throw new Error('take')
      partition = { ...partition, interrupted: false }
      const taken: unknown = { partition }
      return taken as TakenRecords
    },
    decode: async () => {
      if (current().fails === 'decode') throw new Error('decode')
      const records = Array.from({ length: current().count }, (_, at) => ({
        position: run * 10 + at,
      }))
      const read: unknown = { records, ...(current().fails === 'conclude' && { failure }) }
      return read as ReadableRecords
    },
    isClosed: () => isClosed,
    conclude: (_, unreadable) => {
      log.push('conclude')
      if (unreadable !== undefined) throw unreadable.error
    },
    end: () => void log.push('end'),
  })
  const answered = (call: Promise<IteratorResult<unknown, void>>, name: string): void => {
    call.then(
      ({ done, value }) => log.push([name, done, (value as ReadableRecord | undefined)?.position]),
      (error: Error) => log.push([name, error.message]),
    )
  }
  for (const step of script.steps) {
    if (step === 'next') answered(iterator.next(), step)
    else if (step === 'return') answered(iterator.return(undefined), step)
    else if (step === 'throw') answered(iterator.throw(new Error('thrown in')), step)
    else if (step === 'interrupt') partition.interrupted = true
    else if (step === 'close') isClosed = true
    else await settle()
  }
  await settle()
  return log
}

const iterate = (options: RecordIteratorOptions) => new RecordIterator(options)

test('it does what the generator does, whatever is called', async () => {
  const next = seededRandom(7)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!
  for (let round = 0; round < 150; round++) {
    const script: Script = {
      runs: Array.from({ length: 4 }, () => ({
        count: pick([0, 1, 2, 3]),
        fails: pick(['never', 'never', 'never', 'never', 'take', 'decode', 'conclude']),
      })),
      steps: Array.from({ length: 14 }, () => {
        const rare = pick(['return', 'throw', 'interrupt', 'close'] as const)
        return next() < 0.06 ? rare : pick(['next', 'settle'])
      }),
    }
    // One call after the other: what overlaps may be answered a turn earlier or later.
    const steps = script.steps.flatMap((step) => [step, 'settle' as const])
    const calm = { ...script, steps }
    expect(await play(calm, iterate)).toEqual(await play(calm, reference))
    const answers = (log: unknown[]) =>
      log.filter((each) => Array.isArray(each) && each[0] !== 'done')
    const [ours, theirs] = [await play(script, iterate), await play(script, reference)]
    if (!script.steps.some((step) => step === 'interrupt' || step === 'close')) {
      expect(answers(ours)).toEqual(answers(theirs))
      expect(ours.filter((each) => each === 'end')).toEqual(theirs.filter((each) => each === 'end'))
    }
  }
})

test('calls are answered in order; the second says that the first record is done with', async () => {
  const steps = ['next', 'next', 'next', 'return', 'next'] as const
  const runs = [{ count: 3, fails: 'never' }] as const
  expect(await play({ runs, steps }, iterate)).toEqual([
    ['next', false, 0],
    ['done', 1],
    ['next', false, 1],
    ['done', 2],
    ['next', false, 2],
    'end',
    ['return', true, undefined],
    ['next', true, undefined],
  ])
})

test('disposing of it ends the run', async () => {
  const log: unknown[] = []
  let iterator: RecordIterator | undefined
  await play({ runs: [{ count: 2, fails: 'never' }], steps: ['next'] }, (options) => {
    iterator = iterate({ ...options, end: () => void log.push('end') })
    return iterator
  })
  expect(log).toEqual([])
  await iterator![Symbol.asyncDispose]()
  expect(log).toEqual(['end'])
})
