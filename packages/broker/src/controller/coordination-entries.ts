import { MAX_EPOCH_COUNTER, MAX_NODE_ID } from './metadata-records.js'

/** Where the brokers of a cluster are written down: `<prefix><node id>`, one session each. */
export const BROKERS_PREFIX = 'brokers/'
/** Where the controller can be found. */
export const CONTROLLER_KEY = 'controller'
/** Which cluster this is. */
export const CLUSTER_KEY = 'cluster'

/** A broker that is alive. */
export interface MemberEntry {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Names one run of the process. */
  readonly incarnation: string
  /** Durable start counter: its leader epoch is `epochCounter * 1024 + nodeId`. */
  readonly epochCounter: number
  readonly clusterId: string
  /**
   * Names the data directory: the same one with a higher counter is the same broker, started again.
   */
  readonly directoryId: string
}

/** A hint, never an authority: who it names proves itself by answering under that epoch. */
export interface ControllerEntry {
  readonly nodeId: number
  readonly epoch: number
  readonly host: string
  readonly port: number
}

export interface ClusterEntry {
  readonly clusterId: string
  readonly controllerNodeId: number
}

/** What is read back from coordination is untrusted: undefined when it is not what it should be. */
export function parseMember(value: string): MemberEntry | undefined {
  const entry = parse(value)
  if (entry === undefined) return undefined
  const { nodeId, host, port, rack, incarnation, epochCounter, clusterId, directoryId } = entry
  return isInteger(nodeId, MAX_NODE_ID) &&
    isText(host) &&
    isInteger(port, 65_535) &&
    (rack === null || isText(rack)) &&
    isText(incarnation) &&
    isInteger(epochCounter, MAX_EPOCH_COUNTER) &&
    isText(clusterId) &&
    isText(directoryId)
    ? { nodeId, host, port, rack, incarnation, epochCounter, clusterId, directoryId }
    : undefined
}

/** As {@link parseMember}. */
export function parseController(value: string): ControllerEntry | undefined {
  const entry = parse(value)
  if (entry === undefined) return undefined
  const { nodeId, epoch, host, port } = entry
  return isInteger(nodeId, MAX_NODE_ID) &&
    isInteger(epoch, 0x7fff_ffff) &&
    isText(host) &&
    isInteger(port, 65_535)
    ? { nodeId, epoch, host, port }
    : undefined
}

/** As {@link parseMember}. */
export function parseCluster(value: string): ClusterEntry | undefined {
  const entry = parse(value)
  if (entry === undefined) return undefined
  const { clusterId, controllerNodeId } = entry
  return isText(clusterId) && isInteger(controllerNodeId, MAX_NODE_ID)
    ? { clusterId, controllerNodeId }
    : undefined
}

function parse(value: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(value)
    return typeof parsed === 'object' && parsed !== null
      ? (parsed as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** Bounded, and printable: these end up in log lines and in answers to clients. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,255}$/.test(value)
}

function isInteger(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
}
