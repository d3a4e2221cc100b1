import type { Admin, AdminConfig, AdminEvents } from './admin-api.js'
import { aclsAdmin } from './admin-acls.js'
import { configsAdmin } from './admin-configs.js'
import { groupsAdmin } from './admin-groups.js'
import { offsetsAdmin } from './admin-offsets.js'
import { reassignmentsAdmin } from './admin-reassignments.js'
import { topicsAdmin } from './admin-topics.js'
import type { KafkaConfig } from './config.js'
import { Instrumentation } from './instrumentation.js'
import { Link } from './link.js'
import type { Logger } from './logger.js'

const events: AdminEvents = {
  CONNECT: 'admin.connect',
  DISCONNECT: 'admin.disconnect',
  REQUEST: 'admin.network.request',
  REQUEST_TIMEOUT: 'admin.network.request_timeout',
  REQUEST_QUEUE_SIZE: 'admin.network.request_queue_size',
}

/** Makes a kafkajs admin. */
export function createAdmin(config: KafkaConfig, settings: AdminConfig, rootLogger: Logger): Admin {
  const logger = rootLogger.namespace('Admin')
  const instrumentation = new Instrumentation('admin', events, logger)
  const link = new Link({
    config,
    settings: { retry: settings.retry, allowAutoTopicCreation: false },
    logger,
    events: {
      wantsRequests: () => instrumentation.hasListeners(events.REQUEST),
      request: (payload) => instrumentation.emit(events.REQUEST, payload),
      requestTimeout: (payload) => instrumentation.emit(events.REQUEST_TIMEOUT, payload),
    },
  })
  return {
    ...topicsAdmin(link),
    ...offsetsAdmin(link),
    ...configsAdmin(link),
    ...groupsAdmin(link),
    ...aclsAdmin(link),
    ...reassignmentsAdmin(link),
    events,
    on: (name, listener) => instrumentation.on(name, listener),
    logger: () => logger,
    connect: async () => {
      await link.connect()
      instrumentation.emit(events.CONNECT)
    },
    disconnect: async () => {
      await link.disconnect()
      instrumentation.emit(events.DISCONNECT)
    },
    describeCluster: async () => {
      const { brokers, controllerId, clusterId } = await link.call((client) =>
        client.metadata.cluster({ refresh: true }),
      )
      return {
        brokers: brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
        controller: controllerId < 0 ? null : controllerId,
        clusterId: clusterId ?? '',
      }
    },
  }
}
