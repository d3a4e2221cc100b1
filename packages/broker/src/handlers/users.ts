import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'

/*
 * Who may do what, and how much of it. This broker has no authorizer, no SCRAM credentials and no
 * quotas, and answers as Kafka does where none are set up.
 */

type QuotaRequest = RequestOf<typeof apis.describeClientQuotas>
type ScramResult = ResponseInput<typeof apis.describeUserScramCredentials>['results'][number]

const securityDisabled = {
  errorCode: errorCodes.SECURITY_DISABLED,
  errorMessage: 'No Authorizer is configured.',
}

const describeAcls = defineHandler<typeof apis.describeAcls>({
  api: apis.describeAcls,
  versions: [1, 3],
  handle: () => ({
    throttleTimeMs: 0,
    errorCode: errorCodes.SECURITY_DISABLED,
    errorMessage: 'No Authorizer is configured on the broker',
    resources: [],
  }),
})

const createAcls = defineHandler<typeof apis.createAcls>({
  api: apis.createAcls,
  versions: [1, 3],
  handle: (_context, { creations }) => ({
    throttleTimeMs: 0,
    results: creations.map(() => securityDisabled),
  }),
})

const deleteAcls = defineHandler<typeof apis.deleteAcls>({
  api: apis.deleteAcls,
  versions: [1, 3],
  handle: (_context, { filters }) => ({
    throttleTimeMs: 0,
    filterResults: filters.map(() => ({ ...securityDisabled, matchingAcls: [] })),
  }),
})

const describeUserScramCredentials = defineHandler<typeof apis.describeUserScramCredentials>({
  api: apis.describeUserScramCredentials,
  versions: [0, 0],
  handle(_context, { users }) {
    const names = (users ?? []).map(({ name }) => name)
    const results = [...new Set(names)].sort().map((user): ScramResult => {
      const isTwice = names.indexOf(user) !== names.lastIndexOf(user)
      return {
        user,
        ...(isTwice
          ? {
              errorCode: errorCodes.DUPLICATE_RESOURCE,
              errorMessage:
                'Cannot describe SCRAM credentials for the same user twice in a single ' +
                `request: ${user}`,
            }
          : {
              errorCode: errorCodes.RESOURCE_NOT_FOUND,
              errorMessage: `Attempt to describe a user credential that does not exist: ${user}`,
            }),
        credentialInfos: [],
      }
    })
    return { throttleTimeMs: 0, errorCode: errorCodes.NONE, errorMessage: '', results }
  },
})

const describeClientQuotas = defineHandler<typeof apis.describeClientQuotas>({
  api: apis.describeClientQuotas,
  versions: [0, 1],
  handle(_context, request) {
    const problem = filterProblem(request.components)
    return problem === undefined
      ? { throttleTimeMs: 0, errorCode: errorCodes.NONE, errorMessage: '', entries: [] }
      : { throttleTimeMs: 0, ...problem, entries: null }
  },
})

const matchTypes = { exact: 0, default: 1, any: 2 } as const
const entityTypes = ['user', 'client-id', 'ip']

interface Problem {
  readonly errorCode: number
  readonly errorMessage: string
}

/** What is wrong with a filter that quotas, if there were any, would be looked for with. */
function filterProblem(components: QuotaRequest['components']): Problem | undefined {
  const seen = new Set<string>()
  for (const component of components) {
    const problem = componentProblem(component, seen)
    if (problem !== undefined) return problem
    seen.add(component.entityType)
  }
  if (seen.has('ip') && seen.size > 1) {
    return invalid('An address cannot be asked for together with a user or a client id.')
  }
  return undefined
}

function componentProblem(
  { entityType, matchType, match }: QuotaRequest['components'][number],
  seen: ReadonlySet<string>,
): Problem | undefined {
  if (seen.has(entityType)) return invalid(`Entity type ${entityType} appears twice.`)
  if (entityType === '') return invalid('An entity type is empty.')
  if (!entityTypes.includes(entityType)) {
    const errorMessage = `Unsupported entity type ${entityType}`
    return { errorCode: errorCodes.UNSUPPORTED_VERSION, errorMessage }
  }
  if (matchType === matchTypes.exact) {
    return match === null ? invalid('An exact match needs something to match.') : undefined
  }
  if (matchType !== matchTypes.default && matchType !== matchTypes.any) {
    return invalid(`Unknown match type ${matchType}`)
  }
  return match === null ? undefined : invalid('Only an exact match takes something to match.')
}

function invalid(errorMessage: string): Problem {
  return { errorCode: errorCodes.INVALID_REQUEST, errorMessage }
}

/** ACLs, SCRAM credentials and quotas. */
export const userHandlers: readonly Handler[] = [
  describeAcls,
  createAcls,
  deleteAcls,
  describeUserScramCredentials,
  describeClientQuotas,
]
