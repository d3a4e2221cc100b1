import { createClient } from '../client.js'
import type { Client, ClientOptions } from '../client.js'
import { clusterAdmin } from './cluster.js'
import type { ClusterAdmin } from './cluster.js'
import { configChangesAdmin } from './config-changes.js'
import type { ConfigChangesAdmin } from './config-changes.js'
import { configsAdmin } from './configs.js'
import type { ConfigsAdmin } from './configs.js'
import { groupOffsetsAdmin } from './group-offsets.js'
import type { GroupOffsetsAdmin } from './group-offsets.js'
import { groupsAdmin } from './groups.js'
import type { GroupsAdmin } from './groups.js'
import { offsetsAdmin } from './offsets.js'
import type { OffsetsAdmin } from './offsets.js'
import { quorumAdmin } from './quorum.js'
import type { QuorumAdmin } from './quorum.js'
import { recordsAdmin } from './records.js'
import type { RecordsAdmin } from './records.js'
import { topicsAdmin } from './topics.js'
import type { TopicsAdmin } from './topics.js'
import { transactionsAdmin } from './transactions.js'
import type { TransactionsAdmin } from './transactions.js'

/** Looks at and changes a cluster. All calls retry what is retriable within their time bound. */
export interface Admin
  extends
    TopicsAdmin,
    ConfigsAdmin,
    ConfigChangesAdmin,
    RecordsAdmin,
    QuorumAdmin,
    TransactionsAdmin,
    GroupsAdmin,
    GroupOffsetsAdmin,
    OffsetsAdmin,
    ClusterAdmin,
    AsyncDisposable {
  /** Closes the connections, unless they belong to a client that was passed in. */
  close(): Promise<void>
}

/**
 * Makes an admin over connections of its own, or over those of `client`. Nothing is contacted yet.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function createAdmin(options: ClientOptions | { readonly client: Client }): Admin {
  const shared = 'client' in options
  const client = shared ? options.client : createClient(options)
  const close = (): Promise<void> => (shared ? Promise.resolve() : client.close())
  return {
    ...topicsAdmin(client),
    ...configsAdmin(client),
    ...configChangesAdmin(client),
    ...recordsAdmin(client),
    ...quorumAdmin(client),
    ...transactionsAdmin(client),
    ...groupsAdmin(client),
    ...groupOffsetsAdmin(client),
    ...offsetsAdmin(client),
    ...clusterAdmin(client),
    close,
    [Symbol.asyncDispose]: close,
  }
}
