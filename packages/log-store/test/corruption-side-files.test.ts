// Property: with any file but the data deleted, cut to any size or one of its bits flipped, readers see
// what they see without damage, or what is missing is told by an error or a report. No record is ever
// wrong, none is doubled, and none is missing in silence.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StoreError } from '../src/index'
import { lockDirectory } from '../src/fs/directory-lock'
import { ask } from './support/bare-node'
import { atLeastOf } from './support/proofs'
import type { WorldVerdict } from './support/corruption-world-process'

/** What the image has to have, so that it does not shrink unnoticed. */
const kinds = [
  /\d{20}\.index$/,
  /\d{20}\.timeindex$/,
  /\d{20}\.txnindex$/,
  /kfk\.\d{20}\.txnindex\.crc$/,
  /\d{20}\.snapshot$/,
  /kfk\.\d{20}\.snapshot-detail$/,
  /\/leader-epoch-checkpoint$/,
  /kfk\.leader-epoch-checkpoint\.crc$/,
  /\/kfk\.quarantine$/,
  /kfk\.kfk\.quarantine\.crc$/,
  /\/kfk\.offset-gaps$/,
  /kfk\.kfk\.offset-gaps\.crc$/,
  /\/kfk\.scrub$/,
  /kfk\.kfk\.scrub\.crc$/,
  /\/cleaner-offset-checkpoint$/,
  /kfk\.cleaner-offset-checkpoint\.crc$/,
  /\/recovery-point-offset-checkpoint$/,
  /kfk\.recovery-point-offset-checkpoint\.crc$/,
  /\/log-start-offset-checkpoint$/,
  /kfk\.log-start-offset-checkpoint\.crc$/,
  /\/kfk\.recovery-points$/,
]
const ofClosed = [/\/kfk\.logs$/, /\.kafka_cleanshutdown$/]

/** Of these nothing else knows what they say: without them more is read again, or recovered from the start. */
const irreplaceable = /(recovery-point|log-start)-offset-checkpoint(\.crc)?$/

test.each(['crashed', 'closed'])(
  'every file beside the data: deleted, cut, each bit flipped (%s)',
  async (state) => {
    const closed = state === 'closed'
    const verdicts = await ask<WorldVerdict[]>('corruption-world-process', { closed })
    const missing = [...kinds, ...(closed ? ofClosed : [])].filter(
      (kind) => !verdicts.some(({ path }) => kind.test(path)),
    )
    expect(missing).toEqual([])
    expect(verdicts.filter(({ wrong }) => wrong.length > 0)).toEqual([])
    const told = verdicts.filter(({ path, told }) => told > 0 && !irreplaceable.test(path))
    expect(told).toEqual([])
    const cases = verdicts.reduce((sum, verdict) => sum + verdict.cases, 0)
    process.stdout.write(`side files, ${state}: ${verdicts.length} files, ${cases} disks\n`)
    expect(cases).toBeGreaterThan(atLeastOf(15_000))
  },
  600_000,
)

test('the lock that a dead process left, cut or with any bit flipped, does no harm', async () => {
  const path = mkdtempSync(join(tmpdir(), 'kfk-lock-'))
  const holderPath = join(path, 'kfk.lock')
  try {
    const first = await lockDirectory(path)
    const left = readFileSync(holderPath)
    await first.release()
    const damaged = function* () {
      for (let size = 0; size <= left.length; size++) yield left.subarray(0, size)
      for (let bit = 0; bit < left.length * 8; bit++) {
        const copy = Buffer.from(left)
        copy[bit >> 3]! ^= 1 << (bit & 7)
        yield copy
      }
    }
    const other: string[] = []
    for (const bytes of damaged()) {
      writeFileSync(holderPath, bytes)
      const lock = await lockDirectory(path).catch((error: unknown) => error as StoreError)
      if (!(lock instanceof StoreError)) await lock.release()
      else if (lock.code !== 'KFK_STORE_LOCKED') other.push(`${bytes}: ${lock}`)
    }
    expect(other).toEqual([])
  } finally {
    rmSync(path, { recursive: true })
  }
})
