import { targetCompliance } from '../src/compliance.js'
import { MemoryTarget } from './memory-target.js'

describe('the target in memory of the tests', () => {
  targetCompliance({ describe, test, factory: () => new MemoryTarget() })
})
