// The machine's file system: what `writevSync` is given is what the file has.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFileSystem } from '../src/index'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kfk-node-file-system-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const kib = 1024

test.each([
  ['one', [5]],
  ['small ones', [10, 0, 20, 1]],
  ['more small ones than are copied at once', Array.from({ length: 700 }, (_, n) => 500 + n)],
  ['small ones that fill the copy to the byte', Array.from({ length: 513 }, () => kib)],
  ['small ones and one that is not', [...Array.from({ length: 300 }, () => 9), 200 * kib]],
  ['small ones and one that is too large to be copied', [...Array(2000).fill(1), 300 * kib]],
  ['large ones', [3 * kib, 70 * kib, 5 * kib]],
])('%s: one after the other, from the position on', (_, sizes) => {
  const path = join(dir, 'file')
  const handle = nodeFileSystem.open(path, 'write')
  const chunks = sizes.map((size, n) => Buffer.alloc(size, n % 251))
  const expected = Buffer.concat([Buffer.alloc(7), ...chunks])
  for (let pass = 0; pass < 2; pass++) {
    expect(handle.writevSync(chunks, 7)).toBe(expected.length - 7)
    expect(readFileSync(path).equals(expected)).toBe(true)
  }
  handle.close()
})
