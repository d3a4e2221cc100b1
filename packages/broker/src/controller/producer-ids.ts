import { join } from 'node:path'
import { apis, errorByCode, errorCodes } from '@kfk/protocol'
import { atomicWriteFile, type FileSystem } from '@kfk/log-store'
import type { ControllerGateway, Logger, ProducerIds } from '../context.js'
import { BrokerError } from '../errors.js'
import { readSmallFile } from '../runtime/small-files.js'

const FILE = 'kfk.producer-ids'

interface Block {
  next: bigint
  readonly end: bigint
}

export interface ProducerIdsOptions {
  readonly nodeId: number
  readonly clusterId: string
  readonly fileSystem: FileSystem
  readonly dataDir: string
  readonly gateway: ControllerGateway
  readonly logger: Logger
  readonly timeoutMs: number
  /** Aborted when the broker stops. */
  readonly stopped: AbortSignal
}

/**
 * Gives out producer ids of blocks that the controller granted to this broker. One spare block is
 * on disk, so that producers can start while the controller is away, across a restart too. A block
 * leaves the disk, durably, before its first id is given out: so no id is given out twice, and what
 * is left of a block when the broker stops is lost.
 */
export class BlockProducerIds implements ProducerIds {
  readonly #options: ProducerIdsOptions
  readonly #path: string
  #current: Block | undefined
  #spare: Block | undefined
  #advancing: Promise<void> | undefined
  #fetchingSpare: Promise<void> | undefined

  constructor(options: ProducerIdsOptions) {
    this.#options = options
    this.#path = join(options.dataDir, FILE)
  }

  /**
   * Reads the spare block. One that makes no sense, or is of another cluster, is left alone: ids
   * are plenty.
   */
  async load(): Promise<void> {
    const { fileSystem, clusterId, logger } = this.#options
    const bytes = await readSmallFile(fileSystem, this.#path)
    if (bytes === undefined) return
    const [version, cluster, first, count] = Buffer.from(bytes).toString().trim().split(' ')
    if (version === '1' && cluster === clusterId && first === undefined) return
    if (version === '1' && cluster === clusterId && isBlock(first, count)) {
      this.#spare = { next: BigInt(first!), end: BigInt(first!) + BigInt(count!) }
    } else {
      logger.warn(`${this.#path} holds no producer ids of this cluster: ignored`)
    }
  }

  async next(): Promise<bigint> {
    for (;;) {
      const block = this.#current
      if (block !== undefined && block.next < block.end) {
        const id = block.next++
        this.#fetchSpare()
        return id
      }
      await (this.#advancing ??= this.#advance().finally(() => (this.#advancing = undefined)))
    }
  }

  /** Resolves when nothing runs in the background any more; `stopped` must have been aborted. */
  async settle(): Promise<void> {
    await this.#fetchingSpare
  }

  async #advance(): Promise<void> {
    await this.#fetchingSpare
    const spare = this.#spare
    if (spare === undefined) {
      this.#current = await this.#request()
      return
    }
    await this.#store(undefined)
    this.#spare = undefined
    this.#current = spare
  }

  #fetchSpare(): void {
    if (this.#spare !== undefined || this.#fetchingSpare !== undefined) return
    this.#fetchingSpare = this.#replaceSpare()
      .catch((error: unknown) => {
        this.#options.logger.debug(`no spare producer ids: ${String(error)}`)
      })
      .finally(() => (this.#fetchingSpare = undefined))
  }

  async #replaceSpare(): Promise<void> {
    const block = await this.#request()
    await this.#store(block)
    this.#spare = block
  }

  async #request(): Promise<Block> {
    const { nodeId, gateway, stopped, timeoutMs } = this.#options
    const request = { brokerId: nodeId, brokerEpoch: -1n }
    const options = { signal: stopped, timeoutMs }
    const granted = await gateway.forward(apis.allocateProducerIds, request, options)
    if (granted.errorCode !== errorCodes.NONE) {
      const { name } = errorByCode(granted.errorCode)
      throw new BrokerError('KFK_BROKER_UNAVAILABLE', `no producer ids are granted: ${name}`)
    }
    const { producerIdStart: next, producerIdLen } = granted
    return { next, end: next + BigInt(producerIdLen) }
  }

  async #store(block: Block | undefined): Promise<void> {
    const { fileSystem, clusterId } = this.#options
    const ids = block === undefined ? '' : ` ${block.next} ${block.end - block.next}`
    await atomicWriteFile(fileSystem, this.#path, Buffer.from(`1 ${clusterId}${ids}\n`))
  }
}

function isBlock(first: string | undefined, count: string | undefined): boolean {
  return /^\d{1,19}$/.test(first ?? '') && /^[1-9]\d{0,6}$/.test(count ?? '')
}
