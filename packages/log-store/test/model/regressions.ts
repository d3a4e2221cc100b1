// Histories that once failed, as short as they could be made.
import type { Operation } from './operations'

export const regressions: readonly { what: string; operations: readonly Operation[] }[] = []
