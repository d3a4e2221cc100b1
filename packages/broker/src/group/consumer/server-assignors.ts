import { assignRanges } from './range-assignor.js'
import type { ServerAssignor } from './assignment-task.js'
import { assignUniformly } from './uniform-assignor.js'

/** By the names that members ask for (`group.remote.assignor`). The first is the default. */
export const serverAssignors: ReadonlyMap<string, ServerAssignor> = new Map([
  ['uniform', assignUniformly],
  ['range', assignRanges],
])

export const DEFAULT_ASSIGNOR = 'uniform'
