/** A real HDFS: NameNode and DataNode in one JVM, WebHDFS on a port of the kernel's choice. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { freePorts, runProcess, startProcess, type Finished } from './child.js'
import { hadoopJars } from './peers.js'

const fixture = path.resolve(__dirname, '../fixtures/hadoop/HdfsInOneJvm.java')
const packages = ['lang', 'util', 'io', 'net', 'nio', 'util.concurrent']
const jvm = [
  ...packages.map((name) => `--add-opens=java.base/java.${name}=ALL-UNNAMED`),
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Djava.net.preferIPv4Stack=true',
]

export interface Hdfs {
  /** `http://127.0.0.1:PORT`, what the loader's `--hdfs` takes, without a path. */
  readonly nameNode: string
  /** Runs `hdfs dfs ARGS` of the same Hadoop. */
  dfs(...args: string[]): Promise<Finished>
  /** Stops both daemons as a power cut would; `start()` brings them back with their data. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

function site(properties: Record<string, string | number>): string {
  const rows = Object.entries(properties).map(
    ([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`,
  )
  return `<?xml version="1.0"?><configuration>${rows.join('')}</configuration>`
}

async function writeConfiguration(dir: string): Promise<number> {
  const [rpc, http, data, dataHttp, ipc] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const conf = path.join(dir, 'conf')
  // The web applications are not in the jars of Maven Central; the daemons want their folders all
  // the same.
  for (const name of ['hdfs', 'datanode']) {
    fs.mkdirSync(path.join(conf, 'webapps', name), { recursive: true })
  }
  const core = {
    'fs.defaultFS': `hdfs://127.0.0.1:${rpc}`,
    'hadoop.tmp.dir': path.join(dir, 'tmp'),
  }
  fs.writeFileSync(path.join(conf, 'core-site.xml'), site(core))
  fs.writeFileSync(
    path.join(conf, 'hdfs-site.xml'),
    site({
      'dfs.replication': 1,
      'dfs.permissions.enabled': 'false',
      'dfs.namenode.rpc-address': `127.0.0.1:${rpc}`,
      'dfs.namenode.http-address': `127.0.0.1:${http}`,
      'dfs.namenode.name.dir': `file://${dir}/nn`,
      'dfs.datanode.data.dir': `file://${dir}/dn`,
      'dfs.datanode.address': `127.0.0.1:${data}`,
      'dfs.datanode.http.address': `127.0.0.1:${dataHttp}`,
      'dfs.datanode.ipc.address': `127.0.0.1:${ipc}`,
      'dfs.datanode.hostname': '127.0.0.1',
      'dfs.namenode.safemode.extension': 0,
      'dfs.heartbeat.interval': 1,
      'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
      'dfs.client.block.write.locateFollowingBlock.initial.delay.ms': 10,
      'dfs.client.block.write.replace-datanode-on-failure.policy': 'NEVER',
    }),
  )
  fs.writeFileSync(
    path.join(conf, 'log4j.properties'),
    'log4j.rootLogger=WARN,A\nlog4j.appender.A=org.apache.log4j.ConsoleAppender\nlog4j.appender.A.layout=org.apache.log4j.SimpleLayout\n',
  )
  return http
}

/** Formats and starts an HDFS of its own in a temporary folder. */
export async function startHdfs(): Promise<Hdfs> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-hdfs-'))
  const http = await writeConfiguration(dir)
  const classPath = ['-cp', `${path.join(dir, 'conf')}:${path.join(hadoopJars, '*')}`]
  const nameNodeClass = 'org.apache.hadoop.hdfs.server.namenode.NameNode'
  const format = [...jvm, ...classPath, nameNodeClass, '-format', '-nonInteractive']
  const formatted = await runProcess('java', format)
  if (formatted.code !== 0) throw new Error(`formatting HDFS failed: ${formatted.stderr}`)
  let daemon: ReturnType<typeof startProcess> | undefined
  const start = async (): Promise<void> => {
    const args = ['-Xmx512m', ...jvm, `-Dhadoop.log.dir=${dir}`, ...classPath, fixture]
    daemon = startProcess('java', args, { cwd: dir })
    await daemon.waitFor(/HDFS is up/, 60_000)
    await untilWritable(`http://127.0.0.1:${http}`, daemon.output)
  }
  const kill = async (): Promise<void> => {
    await daemon?.stop('SIGKILL')
  }
  await start()
  return {
    nameNode: `http://127.0.0.1:${http}`,
    dfs: (...args) =>
      runProcess('java', [
        '-Xmx256m',
        ...jvm,
        ...classPath,
        'org.apache.hadoop.fs.FsShell',
        ...args,
      ]),
    kill,
    start,
    stop: async () => {
      await kill()
      fs.rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The daemons are of use once a DataNode has registered and safe mode is over. */
async function untilWritable(nameNode: string, output: () => string): Promise<void> {
  const query = `${nameNode}/jmx?qry=Hadoop:service=NameNode,name=`
  for (let attempt = 0; attempt < 300; attempt++) {
    try {
      const state = await (await fetch(`${query}FSNamesystemState`)).text()
      const info = await (await fetch(`${query}NameNodeInfo`)).text()
      if (/"NumLiveDataNodes" : 1/.test(state) && /"Safemode" : ""/.test(info)) return
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`HDFS does not become writable:\n${output()}`)
}
