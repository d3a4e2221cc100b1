// The loader's WebHDFS target against a real NameNode and DataNode.
import { LoaderError, webHdfsTarget } from '@kfk/hadoop-loader'
import { targetCompliance } from '@kfk/hadoop-loader/compliance'
import { peers, startHdfs, withPeer, type Hdfs } from '../src/index'

withPeer(peers.hdfs(), 'a directory of a real HDFS', () => {
  let hdfs: Hdfs
  beforeAll(async () => {
    hdfs = await startHdfs()
  })
  afterAll(() => hdfs.stop())

  let tests = 0
  const empty = () => webHdfsTarget({ url: `${hdfs.nameNode}/targets/test ${(tests += 1)}` })
  targetCompliance({ describe, test: (name, run) => test(name, run, 60_000), factory: empty })

  test('lists a directory that comes in several batches', async () => {
    const target = empty()
    // The NameNode gives a thousand at a time.
    const names = Array.from({ length: 1100 }, (_, n) => `entry-${n}`)
    const { url } = target
    for (let start = 0; start < names.length; start += 50) {
      const some = names.slice(start, start + 50)
      const made = some.map((name) =>
        fetch(
          `${url.replace(hdfs.nameNode, `${hdfs.nameNode}/webhdfs/v1`)}/big/${name}?op=MKDIRS`,
          {
            method: 'PUT',
          },
        ),
      )
      for (const { status } of await Promise.all(made)) expect(status).toBe(200)
    }
    const listed = await target.list('big')
    expect(listed.map(({ name }) => name).sort()).toEqual(names.sort())
  })

  test('says that nobody answers, where, and what to do', async () => {
    const target = webHdfsTarget({ url: 'http://127.0.0.1:1/data', retries: 1 })
    const error: unknown = await target.stat('x').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(LoaderError)
    expect(error).toMatchObject({
      code: 'KFK_LOADER_NO_TARGET',
      retriable: true,
      message: expect.stringMatching(/no NameNode answers at http:\/\/127\.0\.0\.1:1 .*check/),
    })
  })

  test('finds another NameNode of the list', async () => {
    const live = new URL(hdfs.nameNode).host
    const target = webHdfsTarget({ url: `http://127.0.0.1:1,${live}/targets` })
    expect((await target.stat('none'))?.name).toBe(undefined)
  })
})
