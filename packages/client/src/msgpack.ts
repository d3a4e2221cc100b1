export { msgpack } from './msgpack/msgpack-serde.js'
export type { MsgpackOptions, MsgpackSerde } from './msgpack/msgpack-serde.js'
export { sharedStructures } from './msgpack/shared-structures.js'
export type {
  SharedStructures,
  SharedStructuresOptions,
  SharedStructuresSettings,
} from './msgpack/shared-structures.js'
