/** The broker that outside clients are pointed at: ours, or a real Kafka to compare with. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createBroker } from '@kfk/broker'
import { startJavaKafka } from './java-kafka.js'

export interface InteropBroker {
  /** `127.0.0.1:PORT` */
  readonly bootstrap: string
  /** Where its partitions are, one folder each. */
  readonly dataDir: string
  /** False when the tests run against a real Kafka. */
  readonly ours: boolean
  /** Closes it in good order and leaves its data. Ours only. */
  close(): Promise<void>
  /** Ends it and deletes its data. */
  stop(): Promise<void>
}

/**
 * Starts our broker in a temporary folder at a port of the kernel's choice. With
 * `KFK_INTEROP=kafka` in the environment it is Apache Kafka instead: what the tests expect is what
 * Kafka does, and this checks it.
 */
export async function startInteropBroker(
  config: Readonly<Record<string, string>> = {},
): Promise<InteropBroker> {
  const settings = { 'group.initial.rebalance.delay.ms': '0', ...config }
  if (process.env.KFK_INTEROP === 'kafka') {
    const kafka = await startJavaKafka(settings)
    const { bootstrap, logDir } = kafka
    const close = async (): Promise<void> => undefined
    return { bootstrap, dataDir: logDir, ours: false, close, stop: () => kafka.stop() }
  }
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-interop-'))
  const broker = await createBroker({ port: 0, dataDir, config: settings })
  return {
    bootstrap: `${broker.host}:${broker.port}`,
    dataDir,
    ours: true,
    close: () => broker.close(),
    stop: async () => {
      await broker.close()
      fs.rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
