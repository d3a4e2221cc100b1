// The brokers that are measured, each a process of its own with its data below one directory.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../../lib/project.mjs'
import { startChild } from './child.mjs'
import { nativeLoad } from './native.mjs'
import { usageOfTree } from './proc.mjs'

const kafkaVersion = '4.2.0'
const peersDir = process.env.KFK_PEERS_DIR ?? path.join(os.homedir(), '.cache', 'kfk-peers')
export const kafkaClassPath = path.join(peersDir, `kafka-${kafkaVersion}`, '*')
export const confluentDir = path.join(peersDir, 'confluent-kafka')

/** What bin/kafka-run-class.sh gives a broker. */
const kafkaJvm = [
  ...['-Xms1g', '-Xmx1g', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
  ...['-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent'],
  ...['-Djava.awt.headless=true', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'],
]

/** Why Kafka cannot run here; undefined when it can. */
export function kafkaMissing() {
  if (spawnSync('java', ['-version']).status !== 0) return 'no java on PATH'
  const dir = path.dirname(kafkaClassPath)
  return fs.existsSync(dir) ? undefined : `no jars in ${dir} (node scripts/install-peers.mjs)`
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

const listening = /listening on 127\.0\.0\.1:(\d+)/
const allListening = /listening on (\S+) \(/
const broker = (name, dataDir, port, child) => ({
  name,
  dataDir,
  port: Number(port),
  address: `127.0.0.1:${port}`,
  usage: () => child.usage(),
  stop: () => child.stop(),
})

/** `processes`: so many brokers, started by one process as one cluster. */
async function startKfk(dir, { nodeArgs = [] }, processes = 1) {
  const bin = path.join(root, 'packages/cli/dist/bin.js')
  const several = processes > 1 ? ['--processes', String(processes)] : []
  const settings = ['log.segment.bytes=1073741824', 'log.segment.delete.delay.ms=1000']
  const child = startChild({
    name: 'kfk broker',
    file: process.execPath,
    args: [
      ...[...nodeArgs, bin, 'broker', '--port', '0', '--data-dir', dir, '--log-level', 'warn'],
      ...several,
      ...settings.flatMap((setting) => ['--set', setting]),
    ],
  })
  const [, address] = await child.waitFor(allListening)
  const name = processes > 1 ? `kfk${processes}` : 'kfk'
  const [port] = /\d+$/.exec(address.split(',')[0])
  return { ...broker(name, dir, port, child), address, usage: () => usageOfTree(child.pid) }
}

async function startKafka(dir) {
  const port = await freePort()
  const controllerPort = await freePort()
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': path.join(dir, 'log'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'log.segment.delete.delay.ms': 1000,
  }
  const file = path.join(dir, 'server.properties')
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  fs.mkdirSync(dir, { recursive: true })
  fs.writeFileSync(file, lines.join(''))
  const format = ['kafka.tools.StorageTool', 'format', '-t', '4L6g3nShT-eMCtK--X86sw', '-c', file]
  const formatted = spawnSync('java', ['-cp', kafkaClassPath, ...format], { encoding: 'utf8' })
  if (formatted.status !== 0) throw new Error(`Kafka's format failed: ${formatted.stderr}`)
  const child = startChild({
    name: 'Kafka broker',
    file: 'java',
    args: [...kafkaJvm, '-cp', kafkaClassPath, 'kafka.Kafka', file],
  })
  for (let attempt = 0; !(await accepts(port)); attempt++) {
    if (attempt === 300) throw new Error('Kafka does not listen')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return broker('kafka', path.join(dir, 'log'), port, child)
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Appends what comes and acknowledges it: no protocol, no check. One file for everything. */
async function startRaw(dir) {
  fs.mkdirSync(dir, { recursive: true })
  const child = startChild({
    name: 'raw server',
    file: nativeLoad(),
    args: ['serve', path.join(dir, 'bytes')],
  })
  const [, port] = await child.waitFor(listening)
  return broker('raw', dir, port, child)
}

/** The same in Node, which syncs as well when the case asks for it. */
async function startBareNode(dir, { durability }) {
  fs.mkdirSync(dir, { recursive: true })
  const file = fileURLToPath(new URL('bare-server.mjs', import.meta.url))
  const child = startChild({
    name: 'bare Node server',
    file: process.execPath,
    args: [file, path.join(dir, 'bytes'), durability],
  })
  const [, port] = await child.waitFor(listening)
  return broker('node', dir, port, child)
}

const startTwo = (dir, options) => startKfk(dir, options, 2)
const starts = {
  kfk: startKfk,
  kfk2: startTwo,
  kafka: startKafka,
  raw: startRaw,
  node: startBareNode,
}

/** Those that only move bytes: they know no topics. */
export const isBare = (name) => name === 'raw' || name === 'node'

/**
 * Starts the broker `name` with its data in `dir`. `nodeArgs`: arguments of Node before ours; `durability`: for those that
 * have no topics to set it on.
 */
export function startBroker(name, dir, options = {}) {
  return starts[name](dir, options)
}
