import { defineApi } from '../api.js'
import { array, bool, int16, int32, int64, int8, offset, string, struct } from '../schema.js'

/** Configuration of topics (`resourceType` 2), brokers (4), broker loggers (8), groups (32). */
export const describeConfigs = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleSince: 4,
  request: struct({
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        /** `null` is all. */
        configurationKeys: array(string(), { nullable: true }),
      }),
    ),
    includeSynonyms: bool({ default: false }),
    includeDocumentation: bool({ since: 3, default: false }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: true }),
            readOnly: bool(),
            configSource: int8({ default: -1, ignorable: true }),
            isSensitive: bool(),
            synonyms: array(
              struct({
                name: string(),
                value: string({ nullable: true }),
                source: int8(),
              }),
              { ignorable: true },
            ),
            configType: int8({ since: 3, default: 0, ignorable: true }),
            documentation: string({ since: 3, nullable: true, ignorable: true }),
          }),
        ),
      }),
    ),
  }),
})

/** Changes single settings (KIP-339). `configOperation`: 0 set, 1 delete, 2 append, 3 subtract. */
export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleSince: 1,
  request: struct({
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            configOperation: int8(),
            value: string({ nullable: true }),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    responses: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  }),
})

/** Sizes of the logs on disk, by directory (KIP-113). */
export const describeLogDirs = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 4],
  flexibleSince: 2,
  request: struct({
    topics: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullable: true },
    ),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16({ since: 3, ignorable: true }),
    results: array(
      struct({
        errorCode: int16(),
        logDir: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                partitionSize: int64(),
                /** How far a moving replica is behind the log it will replace. */
                offsetLag: offset(),
                isFutureKey: bool(),
              }),
            ),
          }),
        ),
        totalBytes: int64({ since: 4, default: -1n, ignorable: true }),
        usableBytes: int64({ since: 4, default: -1n, ignorable: true }),
      }),
    ),
  }),
})
/** Replaces all the settings of a resource; what is not named returns to its default (KIP-133). */
export const alterConfigs = defineApi({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexibleSince: 2,
  request: struct({
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: true }),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    responses: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  }),
})

/** What has settings of its own (KIP-1142); before version 1 only client metrics are listed. */
export const listConfigResources = defineApi({
  key: 74,
  name: 'ListConfigResources',
  versions: [0, 1],
  flexibleSince: 0,
  request: struct({
    resourceTypes: array(int8(), { since: 1 }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    configResources: array(
      struct({
        resourceName: string(),
        resourceType: int8({ since: 1, default: 16, ignorable: true }),
      }),
    ),
  }),
})
