import { createAdmin } from './admin.js'
import type { Admin, AdminConfig } from './admin-api.js'
import type { KafkaConfig } from './config.js'
import type { Consumer, ConsumerConfig } from './consumer-api.js'
import { createConsumer } from './consumer.js'
import { logLevel } from './enums.js'
import { KafkaJSNotImplemented } from './errors.js'
import { createLogger, type Logger } from './logger.js'
import type { Producer, ProducerConfig } from './producer-api.js'
import { createProducer } from './producer.js'

/**
 * kafkajs's entry point: how to reach a cluster. Producers, consumers and admins that it makes have
 * connections of their own.
 */
export class Kafka {
  readonly #config: KafkaConfig
  readonly #logger: Logger

  /** @throws KafkaJSNotImplemented for `sasl` and `socketFactory` */
  constructor(config: KafkaConfig) {
    if (config.sasl !== undefined) {
      throw new KafkaJSNotImplemented(
        '`sasl` is not supported: use `ssl` with a client certificate.',
      )
    }
    if (config.socketFactory !== undefined) {
      throw new KafkaJSNotImplemented('`socketFactory` is not supported.')
    }
    this.#config = config
    this.#logger = createLogger(config.logLevel ?? logLevel.INFO, config.logCreator)
  }

  producer(config: ProducerConfig = {}): Producer {
    return createProducer(this.#config, config, this.#logger)
  }

  /** @throws KafkaJSNonRetriableError for a configuration that cannot be right */
  consumer(config: ConsumerConfig): Consumer {
    return createConsumer(this.#config, config, this.#logger)
  }

  admin(config: AdminConfig = {}): Admin {
    return createAdmin(this.#config, config, this.#logger)
  }

  logger(): Logger {
    return this.#logger
  }
}
