import { allScenarios } from './scenarios/index'
import { compareBrokers } from './support/run'

/** How scenarios are written is told in README.md beside this file. */
compareBrokers('kfk and Apache Kafka answer alike', allScenarios, { complete: true })
