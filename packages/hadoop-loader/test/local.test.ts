import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { targetCompliance } from '../src/compliance.js'
import { writeFile as writeTargetFile } from '../src/target.js'
import { localTarget } from '../src/targets/local.js'
import { removeTemporaryDirectories, temporaryDirectory } from './harness.js'

afterAll(removeTemporaryDirectories)

describe('a local directory', () => {
  targetCompliance({
    describe,
    test,
    factory: async () => localTarget(await temporaryDirectory()),
  })
})

test('follows no symbolic link out of the target', async () => {
  const outside = await temporaryDirectory()
  await writeFile(join(outside, 'kept'), 'kept')
  const dir = await temporaryDirectory()
  const target = localTarget(dir)
  await symlink(outside, join(dir, 'page-views'))
  await writeTargetFile(target, 'staged', 'x')
  const leadsOut = { code: 'KFK_LOADER_TARGET', message: expect.stringContaining('symbolic link') }
  await expect(target.create('page-views/file')).rejects.toMatchObject(leadsOut)
  await expect(target.renameIfAbsent('staged', 'page-views/file')).rejects.toMatchObject(leadsOut)
  await expect(target.replace('staged', 'page-views/kept')).rejects.toMatchObject(leadsOut)
  await expect(target.delete('page-views/kept')).rejects.toMatchObject(leadsOut)

  await mkdir(join(dir, 'staging'))
  await symlink(join(outside, 'kept'), join(dir, 'staging/file'))
  await writeTargetFile(target, 'staging/file', 'mine')
  expect(await readFile(join(outside, 'kept'), 'utf8')).toBe('kept')
  expect(await readFile(join(dir, 'staging/file'), 'utf8')).toBe('mine')
})

test('the target itself may be a symbolic link', async () => {
  const [real, parent] = [await temporaryDirectory(), await temporaryDirectory()]
  await symlink(real, join(parent, 'link'))
  await writeTargetFile(localTarget(join(parent, 'link')), 'a/file', 'x')
  expect(await readFile(join(real, 'a/file'), 'utf8')).toBe('x')
})
