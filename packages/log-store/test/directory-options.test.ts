import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLogDirectory } from '../src/index'

test.each([
  ['maxConcurrentSyncs', { maxConcurrentSyncs: NaN }],
  ['maxOpenFiles', { maxOpenFiles: -1 }],
  ['checkpointMs', { checkpointMs: '5000' as unknown as number }],
  ['cleaner.dedupeBufferBytes', { cleaner: { dedupeBufferBytes: NaN } }],
  ['scrub.bytesPerSecond', { scrub: { bytesPerSecond: NaN } }],
])(
  '%s that is no number from 0 on is refused before anything is touched',
  async (name, options) => {
    const path = mkdtempSync(join(tmpdir(), 'kfk-directory-options-'))
    try {
      await expect(openLogDirectory(path, options)).rejects.toMatchObject({
        code: 'KFK_STORE_INVALID_ARGUMENT',
        message: expect.stringContaining(`${name} takes a number from 0 on, not `) as string,
      })
      expect(readdirSync(path)).toEqual([])
    } finally {
      rmSync(path, { recursive: true })
    }
  },
)
