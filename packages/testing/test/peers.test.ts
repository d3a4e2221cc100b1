import { javaTool, kcat, peers, startHdfs, startJavaKafka, withPeer } from '../src/index'

withPeer(peers.kafka(), 'a real Kafka', () => {
  test('serves its own tools', async () => {
    const kafka = await startJavaKafka()
    try {
      const create = ['--bootstrap-server', kafka.bootstrap, '--create', '--topic', 'views']
      const created = await javaTool('org.apache.kafka.tools.TopicCommand', create)
      expect(created.stdout).toContain('Created topic views')
      if (!peers.kcat().missing) {
        const listed = await kcat(kafka.bootstrap, ['-L'])
        expect(listed.stdout).toContain('topic "views" with 1 partitions')
      }
    } finally {
      await kafka.stop()
    }
  })
})

withPeer(peers.hdfs(), 'a real HDFS', () => {
  test('keeps what was written over a crash of both daemons', async () => {
    const hdfs = await startHdfs()
    try {
      expect((await hdfs.dfs('-mkdir', '-p', '/a/b')).code).toBe(0)
      await hdfs.kill()
      await hdfs.start()
      expect((await hdfs.dfs('-ls', '/a')).stdout).toContain('/a/b')
    } finally {
      await hdfs.stop()
    }
  })
})
