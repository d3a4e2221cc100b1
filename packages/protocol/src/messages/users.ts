import { defineApi } from '../api.js'
import { array, bool, float64, int16, int32, int8, string, struct } from '../schema.js'

/** Limits of users, clients and addresses (KIP-546). `matchType`: 0 exact, 1 default, 2 any. */
export const describeClientQuotas = defineApi({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: [0, 1],
  flexibleSince: 1,
  request: struct({
    components: array(
      struct({
        entityType: string(),
        matchType: int8(),
        match: string({ nullable: true }),
      }),
    ),
    strict: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    entries: array(
      struct({
        entity: array(
          struct({
            entityType: string(),
            entityName: string({ nullable: true }),
          }),
        ),
        values: array(
          struct({
            key: string(),
            value: float64(),
          }),
        ),
      }),
      { nullable: true },
    ),
  }),
})

/** Which users have SCRAM credentials (KIP-554); `null` asks for all. */
export const describeUserScramCredentials = defineApi({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: [0, 0],
  flexibleSince: 0,
  request: struct({
    users: array(
      struct({
        name: string(),
      }),
      { nullable: true },
    ),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    results: array(
      struct({
        user: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        credentialInfos: array(
          struct({
            mechanism: int8(),
            iterations: int32(),
          }),
        ),
      }),
    ),
  }),
})
