import { apis } from '@kfk/protocol'
import type { AclFilter } from './acl-api.js'
import type { AclsAdmin } from './admin-api.js'
import { throwIfFailed } from './error-translation.js'
import { KafkaJSNonRetriableError } from './errors.js'
import { given } from './given.js'
import type { Link } from './link.js'

/** Calls about ACLs. Brokers without an authorizer answer with SECURITY_DISABLED. */
export function aclsAdmin(link: Link): AclsAdmin {
  return {
    async createAcls({ acl }) {
      checkList('ACL', acl)
      await link.call(async (client) => {
        const { results } = await client.request(apis.createAcls, { creations: acl }, 'controller')
        for (const { errorCode, errorMessage } of results) throwIfFailed(errorCode, errorMessage)
      })
      return true
    },
    describeAcls: (filter) =>
      link.call(async (client) => {
        const answer = await client.request(apis.describeAcls, filterBody(filter), 'controller')
        throwIfFailed(answer.errorCode, answer.errorMessage)
        return {
          throttleTime: answer.throttleTimeMs,
          errorCode: answer.errorCode,
          resources: answer.resources.map(({ patternType, ...each }) => ({
            ...each,
            resourcePatternType: patternType,
          })),
        }
      }),
    async deleteAcls({ filters }) {
      checkList('ACL Filter', filters)
      return link.call(async (client) => {
        const body = { filters: filters.map(filterBody) }
        const answer = await client.request(apis.deleteAcls, body, 'controller')
        for (const { errorCode, errorMessage } of answer.filterResults) {
          throwIfFailed(errorCode, errorMessage)
        }
        return {
          throttleTime: answer.throttleTimeMs,
          filterResponses: answer.filterResults.map(({ errorCode, matchingAcls }) => ({
            errorCode,
            matchingAcls: matchingAcls.map(({ patternType, errorMessage, ...each }) => ({
              ...each,
              resourcePatternType: patternType,
              ...(errorMessage === null ? {} : { errorMessage }),
            })),
          })),
        }
      })
    },
  }
}

function checkList(what: string, list: readonly unknown[]): void {
  if (!Array.isArray(given(list))) {
    throw new KafkaJSNonRetriableError(`Invalid ${what} array ${String(list)}`)
  }
  if (list.length === 0) throw new KafkaJSNonRetriableError(`Empty ${what} array`)
}

function filterBody(filter: AclFilter) {
  return {
    resourceTypeFilter: filter.resourceType,
    resourceNameFilter: filter.resourceName ?? null,
    patternTypeFilter: filter.resourcePatternType,
    principalFilter: filter.principal ?? null,
    hostFilter: filter.host ?? null,
    operation: filter.operation,
    permissionType: filter.permissionType,
  }
}
