import { durableSuite } from './compliance/durable-suite.js'
import type { ComplianceOptions } from './compliance/fixture.js'
import { serverSuite } from './compliance/server-suite.js'
import { sessionSuite } from './compliance/session-suite.js'
import { valueSuite } from './compliance/value-suite.js'
import { watchSuite } from './compliance/watch-suite.js'

export type {
  ComplianceFixture,
  ComplianceOptions,
  FollowedView,
  ServerFaults,
} from './compliance/fixture.js'
export { eventually, follow } from './compliance/fixture.js'

/**
 * Declares the tests that every `Coordination` adapter has to pass, with the runner's own
 * `describe` and `test`. They use nothing but `node:assert`, so jest, vitest and node:test will do.
 */
export function coordinationCompliance(options: ComplianceOptions): void {
  const { describe, capabilities } = options
  describe('values', () => valueSuite(options))
  describe('sessions and leases', () => sessionSuite(options))
  describe('watches', () => watchSuite(options))
  if (capabilities?.durable) describe('restarts of the process', () => durableSuite(options))
  if (capabilities?.remote) describe('faults of the server', () => serverSuite(options))
}
