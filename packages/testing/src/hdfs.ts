/** A real HDFS: NameNode and DataNode in one JVM, WebHDFS on a port of the kernel's choice. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { freePorts, runProcess, startProcess, type Finished, type RunningProcess } from './child.js'
import { briefJvm, classPath, compiled, javaWith, madeOnce, useArchive } from './jvm.js'
import { hadoopJars } from './peers.js'

const fixture = path.resolve(__dirname, '../fixtures/hadoop/HdfsInOneJvm.java')
const packages = ['lang', 'util', 'io', 'net', 'nio', 'util.concurrent']
const jvm = [
  ...packages.map((name) => `--add-opens=java.base/java.${name}=ALL-UNNAMED`),
  ...briefJvm,
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

const nameNodeClass = 'org.apache.hadoop.hdfs.server.namenode.NameNode'
const shellClass = 'org.apache.hadoop.fs.FsShell'

interface Installed {
  readonly dir: string
  readonly http: number
  readonly daemonArgs: readonly string[]
  readonly shellArgs: readonly string[]
}

/** A folder with the configuration of an HDFS; `flags` are for each of its JVMs. */
async function install(fixtureJar: string, flags: readonly string[]): Promise<Installed> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-hdfs-'))
  const http = await writeConfiguration(dir)
  const paths = [...jvm, ...classPath(hadoopJars, fixtureJar, path.join(dir, 'conf')), ...flags]
  const main = path.basename(fixture, '.java')
  return {
    dir,
    http,
    daemonArgs: ['-Xmx512m', `-Dhadoop.log.dir=${dir}`, ...paths, main],
    shellArgs: ['-Xmx256m', ...paths, shellClass],
  }
}

async function startDaemons({ dir, http, daemonArgs }: Installed): Promise<RunningProcess> {
  const daemons = startProcess('java', daemonArgs, { cwd: dir })
  await daemons.waitFor(/HDFS is up/, 60_000)
  await untilWritable(`http://127.0.0.1:${http}`, daemons.output)
  return daemons
}

/** What the first HDFS on a machine leaves to those after it: names formatted, classes loaded. */
function warmHdfs(fixtureJar: string): Promise<string> {
  const of = [...javaWith(hadoopJars), fixtureJar, ...jvm]
  return madeOnce('hdfs-warm', of, async (target) => {
    fs.mkdirSync(target, { recursive: true })
    const lists = ['format', 'daemons', 'shell'].map((name) => path.join(target, name))
    const [format, daemons, shell] = lists.map((list) => [`-XX:DumpLoadedClassList=${list}`])
    const { dir, ...rest } = await install(fixtureJar, [])
    try {
      const names = [...format!, ...rest.shellArgs.slice(0, -1), nameNodeClass, '-format']
      await succeed([...names, '-nonInteractive'])
      fs.cpSync(path.join(dir, 'nn'), path.join(target, 'nn'), { recursive: true })
      const running = await startDaemons({
        ...{ dir, ...rest },
        daemonArgs: [...daemons!, ...rest.daemonArgs],
      })
      await succeed([...shell!, ...rest.shellArgs, '-ls', '/'])
      await running.stop('SIGTERM')
    } finally {
      fs.rmSync(dir, { recursive: true, force: true })
    }
    const classes = new Set(lists.flatMap((list) => fs.readFileSync(list, 'utf8').split('\n')))
    const list = path.join(target, 'classes')
    fs.writeFileSync(list, [...classes].join('\n'))
    await succeed([
      ...['-Xshare:dump', `-XX:SharedClassListFile=${list}`],
      ...[`-XX:SharedArchiveFile=${path.join(target, 'hdfs.jsa')}`, ...jvm],
      ...classPath(hadoopJars, fixtureJar),
    ])
  })
}

async function succeed(args: readonly string[]): Promise<void> {
  const done = await runProcess('java', args)
  if (done.code !== 0) throw new Error(`HDFS cannot be prepared: ${done.stdout}${done.stderr}`)
}

/** Starts an HDFS of its own in a temporary folder. */
export async function startHdfs(): Promise<Hdfs> {
  const fixtureJar = await compiled(fixture, hadoopJars)
  const warm = await warmHdfs(fixtureJar)
  const installed = await install(fixtureJar, useArchive(path.join(warm, 'hdfs.jsa')))
  const { dir, http, shellArgs } = installed
  fs.cpSync(path.join(warm, 'nn'), path.join(dir, 'nn'), { recursive: true })
  let daemons: RunningProcess | undefined
  const start = async (): Promise<void> => {
    daemons = await startDaemons(installed)
  }
  const kill = async (): Promise<void> => {
    await daemons?.stop('SIGKILL')
  }
  await start()
  return {
    nameNode: `http://127.0.0.1:${http}`,
    dfs: (...args) => runProcess('java', [...shellArgs, ...args]),
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
