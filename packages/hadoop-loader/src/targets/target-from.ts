import type { Target } from '../target.js'
import { localTarget } from './local.js'

/** A directory by its path. */
export function targetFrom(where: string): Target {
  return localTarget(where)
}
