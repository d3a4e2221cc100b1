import assert from 'node:assert/strict'
import { LoaderError } from './errors.js'
import { readFile, writeFile, type Target } from './target.js'

/** What a target's test supplies. */
export interface TargetComplianceOptions {
  readonly describe: (name: string, suite: () => void) => void
  readonly test: (name: string, run: () => Promise<void>) => void
  /** A target that is empty. Called once for each test. */
  readonly factory: () => Target | Promise<Target>
}

type Declare = (name: string, run: (target: Target) => Promise<void>) => void

/**
 * Declares the tests that every `Target` has to pass, with the runner's own `describe` and `test`.
 * They use nothing but `node:assert`, so jest, vitest and node:test will do.
 */
export function targetCompliance({ describe, test, factory }: TargetComplianceOptions): void {
  const declare: Declare = (name, run) => test(name, async () => run(await factory()))
  describe('files', () => fileSuite(declare))
  describe('renaming', () => renameSuite(declare))
  describe('directories', () => directorySuite(declare))
  describe('what must not be', () => refusalSuite(declare))
}

function fileSuite(test: Declare): void {
  test('a file is what was written, chunk by chunk, with its length', async (target) => {
    const chunks = Array.from({ length: 40 }, (_, n) => new Uint8Array(100_000).fill(n))
    const writer = await target.create('a/b/large.bin')
    for (const chunk of chunks) await writer.write(chunk)
    assert.deepEqual(await writer.close(), { bytes: 4_000_000 })
    const found = await target.stat('a/b/large.bin')
    assert.deepEqual([found?.name, found?.isDirectory, found?.bytes], ['large.bin', false, 4e6])
    assert.ok(Math.abs(Date.now() - found!.modifiedMs) < 3_600_000)
    const read: Uint8Array[] = []
    for await (const chunk of target.read('a/b/large.bin')) read.push(Buffer.from(chunk))
    assert.ok(Buffer.concat(read).equals(Buffer.concat(chunks)))
  })

  test('a chunk may be used again once it is written', async (target) => {
    const chunk = Buffer.from('first ')
    const writer = await target.create('reused')
    await writer.write(chunk)
    chunk.write('second')
    await writer.write(chunk)
    await writer.close()
    assert.equal(await readFile(target, 'reused'), 'first second')
  })

  test('a file may be empty', async (target) => {
    await writeFile(target, 'empty', '')
    assert.equal((await target.stat('empty'))?.bytes, 0)
    assert.equal(await readFile(target, 'empty'), '')
  })

  test('what an earlier attempt has left is replaced', async (target) => {
    for (const size of [3, 900_000, 5, 800_000]) {
      await writeFile(target, 'staging/again', 'x'.repeat(size))
      assert.equal((await target.stat('staging/again'))?.bytes, size)
    }
  })

  test("an aborted file is in nobody's way", async (target) => {
    const writer = await target.create('staging/aborted')
    await writer.write(Buffer.alloc(600_000))
    await writer.abort()
    // A leftover may stay for a while; it is in nobody's way.
    await writeFile(target, 'staging/aborted', 'whole')
    assert.equal(await readFile(target, 'staging/aborted'), 'whole')
  })

  test('many files may be written at once', async (target) => {
    const names = Array.from({ length: 12 }, (_, n) => `many/deep${n % 3}/file${n}`)
    await Promise.all(names.map((name) => writeFile(target, name, name.repeat(9999))))
    const found = await Promise.all(names.map((name) => target.stat(name)))
    assert.deepEqual(
      found.map((entry) => entry?.bytes),
      names.map((name) => name.length * 9999),
    )
  })

  test('names keep all their characters', async (target) => {
    const names = ['topic+0+00000000000000000042+7.jsonl.gz', 'a b%20c', 'é~#?&=;,', '2026~05']
    for (const name of names) {
      await writeFile(target, `odd names/${name}`, name)
      assert.equal(await readFile(target, `odd names/${name}`), name)
    }
    const listed = await target.list('odd names')
    assert.deepEqual(listed.map(({ name }) => name).sort(), [...names].sort())
    assert.equal(await target.renameIfAbsent(`odd names/${names[1]}`, `to/${names[2]}`), true)
    assert.equal(await readFile(target, `to/${names[2]}`), names[1])
  })
}

function renameSuite(test: Declare): void {
  test('a rename to a free name moves the file and makes its parents', async (target) => {
    await writeFile(target, 'staging/one', '1')
    assert.equal(await target.renameIfAbsent('staging/one', 'x/y/z/one'), true)
    assert.equal(await target.stat('staging/one'), undefined)
    assert.equal(await readFile(target, 'x/y/z/one'), '1')
  })

  test('a rename to a name that is taken changes nothing', async (target) => {
    await writeFile(target, 'staging/one', 'mine')
    await writeFile(target, 'taken', 'theirs')
    assert.equal(await target.renameIfAbsent('staging/one', 'taken'), false)
    assert.equal(await readFile(target, 'taken'), 'theirs')
    assert.equal(await readFile(target, 'staging/one'), 'mine')
  })

  test('a rename of a file that somebody has moved there already says so', async (target) => {
    await writeFile(target, 'staging/one', '1')
    assert.equal(await target.renameIfAbsent('staging/one', 'final/one'), true)
    assert.equal(await target.renameIfAbsent('staging/one', 'final/one'), false)
  })

  test('a rename of nothing is an error', async (target) => {
    await rejectsWith(target.renameIfAbsent('staging/none', 'final/none'), 'KFK_LOADER_TARGET')
    assert.equal(await target.stat('final/none'), undefined)
  })

  test('of many renames to one name exactly one wins', async (target) => {
    for (let round = 0; round < 10; round++) {
      const writers = Array.from({ length: 8 }, (_, n) => `staging/${round}-${n}`)
      await Promise.all(writers.map((name) => writeFile(target, name, name)))
      const to = `commits/${round}.json`
      const won = await Promise.all(writers.map((name) => target.renameIfAbsent(name, to)))
      assert.equal(won.filter(Boolean).length, 1)
      assert.equal(await readFile(target, to), writers[won.indexOf(true)])
    }
  })

  test('a replacement takes the place of what was there, or of nothing', async (target) => {
    for (const text of ['first', 'second']) {
      await writeFile(target, 'staging/hint', text)
      await target.replace('staging/hint', 'kept/here/hint')
      assert.equal(await readFile(target, 'kept/here/hint'), text)
      assert.equal(await target.stat('staging/hint'), undefined)
    }
  })
}

function directorySuite(test: Declare): void {
  test('a directory lists its entries, and one that is not there lists none', async (target) => {
    assert.deepEqual(await target.list('none'), [])
    assert.deepEqual(await target.list('none/at/all'), [])
    await writeFile(target, 'dir/file', '12345')
    await writeFile(target, 'dir/sub/file', '')
    const entries = await target.list('dir')
    const seen = entries.map(({ name, isDirectory, bytes }) => ({
      name,
      isDirectory,
      ...(!isDirectory && { bytes }),
    }))
    assert.deepEqual(
      seen.sort((a, b) => (a.name < b.name ? -1 : 1)),
      [
        { name: 'file', isDirectory: false, bytes: 5 },
        { name: 'sub', isDirectory: true },
      ],
    )
    assert.equal((await target.stat('dir'))?.isDirectory, true)
  })

  test('a directory is removed with all that is in it', async (target) => {
    await writeFile(target, 'doomed/a/b/file', 'x')
    await writeFile(target, 'doomed/file', 'x')
    assert.equal(await target.delete('doomed'), true)
    assert.equal(await target.stat('doomed'), undefined)
    assert.deepEqual(await target.list('doomed/a/b'), [])
    assert.equal(await target.delete('doomed'), false)
  })

  test('a file is removed once', async (target) => {
    await writeFile(target, 'file', 'x')
    assert.equal(await target.delete('file'), true)
    assert.equal(await target.delete('file'), false)
    assert.equal(await target.stat('file'), undefined)
  })
}

function refusalSuite(test: Declare): void {
  test('reading a file that is not there is an error that names it', async (target) => {
    const read = async (): Promise<void> => {
      for await (const chunk of target.read('no/such')) assert.fail(`read ${chunk.length} bytes`)
    }
    await assert.rejects(read(), (error: Error) => /no\/such/.test(error.message))
    await rejectsWith(read(), 'KFK_LOADER_TARGET')
  })

  test('a file is no directory', async (target) => {
    await writeFile(target, 'file', 'x')
    await rejectsWith(writeFile(target, 'file/below', 'x'), 'KFK_LOADER_TARGET')
    await rejectsWith(target.list('file'), 'KFK_LOADER_TARGET')
  })

  test('paths that lead out of the target are refused', async (target) => {
    for (const path of ['', '/', '/etc', '..', '../x', 'a/../../b', 'a//b', './a', 'a/.', 'a\0b']) {
      const calls = [
        async () => target.create(path),
        async () => target.stat(path),
        async () => target.list(path),
        async () => target.delete(path),
        async () => target.renameIfAbsent('a', path),
        async () => target.renameIfAbsent(path, 'a'),
        async () => target.replace('a', path),
        async () => readFile(target, path),
      ]
      for (const call of calls) await rejectsWith(call(), 'KFK_LOADER_INVALID_ARGUMENT')
    }
  })

  test('an aborted signal ends every call with its reason', async (target) => {
    await writeFile(target, 'file', 'x')
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const calls = [
      writeFile(target, 'another', 'x', { signal }),
      readFile(target, 'file', { signal }),
      target.stat('file', { signal }),
      target.list('dir', { signal }),
      target.delete('file', { signal }),
      target.renameIfAbsent('file', 'moved', { signal }),
      target.replace('file', 'moved', { signal }),
    ]
    for (const call of calls) await assert.rejects(call, (error) => error === reason)
    assert.equal(await readFile(target, 'file'), 'x')
  })
}

async function rejectsWith(call: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(call, (error) => error instanceof LoaderError && error.code === code)
}
