import type { Scenario } from '../support/scenario'
import { adminScenarios } from './admin'
import { apiVersionsScenarios } from './api-versions'
import { consumerGroupScenarios } from './consumer-groups'
import { fetchScenarios } from './fetch'
import { bytesScenarios } from './bytes'
import { configsScenarios } from './configs'
import { groupOffsetsScenarios } from './group-offsets'
import { groupsScenarios } from './groups'
import { listOffsetsScenarios } from './list-offsets'
import { metadataScenarios } from './metadata'
import { produceScenarios } from './produce'
import { produceValidationScenarios } from './produce-validation'
import { producerStateScenarios } from './producer-state'
import { transactionScenarios } from './transactions'
import { topicsScenarios } from './topics'

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
  ...topicsScenarios,
  ...configsScenarios,
  ...groupsScenarios,
  ...groupOffsetsScenarios,
  ...bytesScenarios,
]
