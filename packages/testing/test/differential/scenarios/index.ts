import type { Scenario } from '../support/scenario'
import { adminScenarios } from './admin'
import { apiVersionsScenarios } from './api-versions'
import { consumerGroupScenarios } from './consumer-groups'
import { fetchScenarios } from './fetch'
import { listOffsetsScenarios } from './list-offsets'
import { metadataScenarios } from './metadata'
import { produceScenarios } from './produce'
import { produceValidationScenarios } from './produce-validation'
import { producerStateScenarios } from './producer-state'
import { transactionScenarios } from './transactions'

/** Every family of scenarios. */
export const allScenarios: readonly Scenario[] = [
  ...apiVersionsScenarios,
  ...metadataScenarios,
  ...produceScenarios,
  ...produceValidationScenarios,
  ...producerStateScenarios,
  ...listOffsetsScenarios,
  ...fetchScenarios,
  ...consumerGroupScenarios,
  ...transactionScenarios,
  ...adminScenarios,
]
