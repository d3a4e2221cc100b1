import { randomBytes } from 'node:crypto'
import type { RedisConnection, RedisLink } from './redis-link.js'
import type { ResolvedOptions } from './redis-options.js'
import { parseScriptReply, type ScriptReply } from './redis-reply.js'
import type { RedisScript } from './redis-script.js'

/**
 * Runs scripts, and remembers how far versions and epochs have come, so that a server that lost its
 * state goes on above them.
 */
export class RedisSteps {
  private highestVersion = 0
  private highestEpoch = 0

  constructor(
    private readonly link: RedisLink,
    private readonly options: ResolvedOptions,
  ) {}

  /** Errors as of {@link RedisLink.call}. */
  async run(
    script: RedisScript,
    args: readonly (string | number)[],
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<ScriptReply> {
    const raw = await this.link.call((connection) => this.send(connection, script, args), options)
    const reply = parseScriptReply(raw)
    this.highestVersion = Math.max(this.highestVersion, reply.version)
    this.highestEpoch = Math.max(this.highestEpoch, reply.epoch)
    return reply
  }

  private async send(
    connection: RedisConnection,
    script: RedisScript,
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const { keys, changeLogLength } = this.options
    const instance = randomBytes(8).toString('hex')
    const common = [instance, this.highestVersion, this.highestEpoch, changeLogLength]
    const all = [...keys, ...common, ...args]
    try {
      return await connection.callBuffer('evalsha', script.sha1, keys.length, ...all)
    } catch (error) {
      // The server does not know it yet, or was restarted; nothing has happened.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await connection.callBuffer('eval', script.source, keys.length, ...all)
    }
  }
}
