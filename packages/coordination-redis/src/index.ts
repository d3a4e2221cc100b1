export type { Logger } from './logger.js'
export { redisCoordination } from './redis-coordination.js'
export type { RedisCoordinationOptions } from './redis-options.js'
