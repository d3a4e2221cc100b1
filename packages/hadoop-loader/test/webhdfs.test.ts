// What the WebHDFS target makes of answers that are lost, refused, or not Hadoop's. A real HDFS is in packages/testing.
import { readFile, writeFile } from '../src/target.js'
import { webHdfsTarget } from '../src/targets/webhdfs.js'
import { parseWebHdfsAddress } from '../src/targets/webhdfs-address.js'
import {
  remoteException,
  startFakeWebHdfs,
  type FakeRequest,
  type FakeWebHdfs,
  type Misbehaviour,
} from './fake-web-hdfs.js'

let fake: FakeWebHdfs
const started: FakeWebHdfs[] = []
beforeEach(async () => {
  fake = await start()
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

async function start(options = {}): Promise<FakeWebHdfs> {
  const another = await startFakeWebHdfs(options)
  started.push(another)
  return another
}

const target = (options = {}) => webHdfsTarget({ url: `${fake.url}/base`, user: 'me', ...options })

/** Misbehaves at the n-th request of an operation, and at no other. */
function at(op: string, n: number, how: Misbehaviour, also: () => void = () => undefined) {
  let count = 0
  fake.misbehave = (request: FakeRequest) => {
    if (request.op !== op || (count += 1) !== n) return undefined
    also()
    return how
  }
}

describe('a rename whose answer was lost', () => {
  beforeEach(() => fake.files.set('/base/mine', Buffer.from('mine')))

  test('has won when it was carried out', async () => {
    at('RENAME', 1, 'hangUp')
    expect(await target().renameIfAbsent('mine', 'commit')).toBe(true)
    expect(fake.files.get('/base/commit')?.toString()).toBe('mine')
  })

  test('is done again when it was not', async () => {
    at('RENAME', 1, 'hangUpBefore')
    expect(await target().renameIfAbsent('mine', 'commit')).toBe(true)
    expect(fake.files.get('/base/commit')?.toString()).toBe('mine')
  })

  test('has lost when another one was quicker', async () => {
    at('RENAME', 1, 'hangUpBefore', () => fake.files.set('/base/commit', Buffer.from('theirs')))
    expect(await target().renameIfAbsent('mine', 'commit')).toBe(false)
    expect(fake.files.get('/base/commit')?.toString()).toBe('theirs')
    expect(fake.files.get('/base/mine')?.toString()).toBe('mine')
  })

  test('stays open when no more answers come: an error, and nothing is undone', async () => {
    fake.misbehave = ({ op }) => (op === 'RENAME' ? 'hangUp' : undefined)
    const renamed = target({ retries: 1 }).renameIfAbsent('mine', 'commit')
    await expect(renamed).rejects.toMatchObject({ code: 'KFK_LOADER_NO_TARGET', retriable: true })
    expect(fake.files.get('/base/commit')?.toString()).toBe('mine')
  })

  test('is found out too when it replaces', async () => {
    at('RENAME', 1, 'hangUp')
    await target().replace('mine', 'hint')
    expect(fake.files.get('/base/hint')?.toString()).toBe('mine')
  })
})

describe('an answer that may pass', () => {
  test.each([
    [
      'safe mode',
      remoteException(403, 'SafeModeException', 'Cannot create file. Name node is in safe mode.'),
    ],
    ['a NameNode that is starting', remoteException(403, 'RetriableException', 'not started')],
    [
      'no DataNode yet',
      remoteException(
        403,
        'IOException',
        'File /x could only be written to 0 of the 1 minReplication nodes.',
      ),
    ],
    ['a gateway without NameNode', { status: 503, body: 'try later' }],
  ])('%s is waited for', async (_name, answer) => {
    at('CREATE', 1, answer)
    await writeFile(target(), 'file', 'x')
    expect(fake.files.get('/base/file')?.toString()).toBe('x')
  })

  test('safe mode that stays is an error that says what to look at', async () => {
    fake.misbehave = () =>
      remoteException(403, 'SafeModeException', 'Name node is in safe mode.\n at java')
    await expect(writeFile(target({ retries: 1 }), 'file', 'x')).rejects.toMatchObject({
      code: 'KFK_LOADER_TARGET',
      retriable: true,
      message: expect.stringMatching(/is in safe mode .*dfsadmin -safemode get.*mode\.\)$/),
    })
  })

  test('a DataNode that breaks off gets a small file again, and no half of it stays', async () => {
    let count = 0
    fake.misbehave = ({ op, query, path }) => {
      if (op !== 'CREATE' || query.get('step') !== '2' || (count += 1) !== 1) return undefined
      // HDFS closes what it has got of a client that is gone.
      fake.files.set(path, Buffer.from('ha'))
      return 'hangUpBefore'
    }
    await writeFile(target(), 'file', 'half')
    expect(fake.files.get('/base/file')?.toString()).toBe('half')
    expect(fake.seen.every(({ query }) => query.get('overwrite') !== 'true')).toBe(true)
  })
})

describe('an answer that will not pass', () => {
  test.each([
    [
      'a standby',
      remoteException(403, 'StandbyException', 'state standby'),
      /standby: name the active one/,
    ],
    [
      'no permission',
      remoteException(403, 'AccessControlException', 'Permission denied: user=me'),
      /user "me" may not do this: .*chown/,
    ],
    ['authentication', { status: 401, body: '' }, /authentication is needed .*delegation token/],
    [
      'an old token',
      remoteException(403, 'InvalidToken', 'expired'),
      /token is not valid any more/,
    ],
    [
      'a quota',
      remoteException(403, 'DSQuotaExceededException', 'quota'),
      /space quota .* used up/,
    ],
    [
      'something else',
      remoteException(403, 'IOException', 'odd\n\tat org.apache'),
      /IOException: odd$/,
    ],
    [
      'no WebHDFS',
      {
        status: 404,
        body: '<html>It looks like you are making an HTTP request to a Hadoop IPC port.</html>',
      },
      /not as WebHDFS does \(It looks like .*web address of the NameNode/,
    ],
    ['another web server', { status: 200, body: '<html>hello</html>' }, /not as WebHDFS does/],
  ])('%s is an error at once that says what to do', async (_name, answer, message) => {
    fake.misbehave = () => answer
    const refused = { code: 'KFK_LOADER_TARGET', message: expect.stringMatching(message) }
    await expect(target().stat('file')).rejects.toMatchObject(refused)
    expect(fake.seen).toHaveLength(1)
  })

  test('a file that is shorter than what was written is never given out', async () => {
    fake.misbehave = ({ op, query, path }) => {
      if (op !== 'CREATE' || query.get('step') !== '2') return undefined
      fake.files.set(path, Buffer.from('ha'))
      return { status: 201 }
    }
    const message = '/base/file has 2 bytes after 4 were written: load again'
    await expect(writeFile(target(), 'file', 'half')).rejects.toMatchObject({ message })
  })

  test('silence ends after `timeoutMs`', async () => {
    fake.misbehave = () => 'silent'
    const asked = target({ timeoutMs: 50, retries: 1 }).stat('file')
    await expect(asked).rejects.toMatchObject({
      code: 'KFK_LOADER_NO_TARGET',
      message: expect.stringContaining('ETIMEDOUT'),
    })
    expect(fake.seen).toHaveLength(2)
  })

  test('an abort ends the wait with its reason', async () => {
    const controller = new AbortController()
    fake.misbehave = () => {
      controller.abort(new Error('enough'))
      return 'silent'
    }
    await expect(target().stat('file', { signal: controller.signal })).rejects.toThrow('enough')
  })
})

test('another NameNode is asked when the first is a standby', async () => {
  const standby = await start()
  standby.misbehave = () => remoteException(403, 'StandbyException')
  const hosts = [standby, fake].map(({ url }) => new URL(url).host)
  const both = webHdfsTarget({ url: `http://${hosts.join(',')}/base` })
  fake.files.set('/base/file', Buffer.from('x'))
  expect(await both.stat('file')).toMatchObject({ bytes: 1 })
  expect(await both.stat('file')).toMatchObject({ bytes: 1 })
  expect(standby.seen).toHaveLength(1)
})

test('HttpFS, which ignores rename options, commits all the same', async () => {
  const httpFs = await start({ httpFs: true })
  const through = webHdfsTarget({ url: `${httpFs.url}/base` })
  httpFs.files.set('/base/one', Buffer.from('1'))
  httpFs.files.set('/base/two', Buffer.from('2'))
  expect(await through.renameIfAbsent('one', 'commit')).toBe(true)
  expect(await through.renameIfAbsent('two', 'commit')).toBe(false)
  expect(await through.renameIfAbsent('one', 'commit')).toBe(false)
  await expect(through.renameIfAbsent('none', 'other')).rejects.toThrow('cannot be renamed')
  await through.replace('two', 'commit')
  expect(httpFs.files.get('/base/commit')?.toString()).toBe('2')
})

test('says who asks: a user, or the owner of a token', async () => {
  await target().stat('file')
  await target({ delegationToken: 'secret' }).stat('file')
  const [byUser, byToken] = fake.seen
  expect([byUser!.query.get('user.name'), byUser!.query.get('delegation')]).toEqual(['me', null])
  expect([byToken!.query.get('user.name'), byToken!.query.get('delegation')]).toEqual([
    null,
    'secret',
  ])
})

test('a file that is not there is none', async () => {
  expect(await readFile(target(), 'none')).toBe(undefined)
})

test.each([
  ['http://nn:9870/a/b', ['http://nn:9870/webhdfs/v1'], '/a/b'],
  ['http://nn:9870', ['http://nn:9870/webhdfs/v1'], ''],
  ['webhdfs://nn:9870/a%20b/', ['http://nn:9870/webhdfs/v1'], '/a b'],
  ['swebhdfs://nn:9871/a', ['https://nn:9871/webhdfs/v1'], '/a'],
  ['http://one:1,two:2/a', ['http://one:1/webhdfs/v1', 'http://two:2/webhdfs/v1'], '/a'],
  ['https://knox/gateway/default/webhdfs/v1/a', ['https://knox/gateway/default/webhdfs/v1'], '/a'],
])('%s is understood', (url, roots, basePath) => {
  expect(parseWebHdfsAddress({ url })).toMatchObject({ roots, basePath })
})

test.each([
  'hdfs://nn:9820/a',
  'ftp://nn/a',
  'http:///a',
  'http://nn:99999/a',
  'http://nn/a/../b',
  'http://nn/a:b',
  'http://nn/%zz',
])('%s is refused', (url) => {
  const invalid = expect.objectContaining({ code: 'KFK_LOADER_INVALID_ARGUMENT' })
  expect(() => parseWebHdfsAddress({ url })).toThrow(invalid)
})
