import { isSharable, type Structure } from './structure-set.js'

/** Objects seen with keys up to here, in this order. */
interface Node {
  readonly next: Map<string, Node>
  /** The structure that ends here is shared. */
  shared: boolean
  /** How often an object ended here; -Infinity: it is wanted already. */
  seen: number
}

/**
 * Nodes of structures that are not shared, at most. Objects whose keys are data (a map by user)
 * make new ones without end; then all are forgotten.
 */
const MAX_CANDIDATE_NODES = 4096

/**
 * The structures of a writer: which are shared, and which occur often enough to be worth it. A tree
 * by key, walked once an object.
 */
export class ShapeTree {
  /** Structures that have been seen often enough since {@link share}. */
  readonly wanted: Structure[] = []
  readonly #room: number
  #root = node()
  #shared: readonly Structure[] = []
  #candidateNodes = 0

  /**
   * @param room - structures that can be shared at most
   */
  constructor(room: number) {
    this.#room = room
  }

  /** From now on exactly these are shared. */
  share(structures: readonly Structure[]): void {
    this.#shared = structures
    this.wanted.length = 0
    this.#forgetCandidates()
  }

  /**
   * Whether the structure of `object` is shared. If not, it is counted, and wanted from the
   * `threshold`th time on.
   */
  isShared(object: object, threshold: number): boolean {
    let at: Node | undefined = this.#root
    for (const key in object) {
      if (!hasOwn(object, key)) continue
      at = at.next.get(key)
      if (at === undefined) break
    }
    if (at?.shared === true) return true
    this.#count(object, threshold)
    return false
  }

  #count(object: object, threshold: number): void {
    const keys = Object.keys(object)
    // It would be written as another key, because setting it sets the prototype.
    if (keys.includes('__proto__')) throw new TypeError('an object has a key "__proto__"')
    if (this.#shared.length + this.wanted.length >= this.#room) return
    if (!isSharable(keys)) return
    const leaf = this.#candidate(keys)
    leaf.seen += 1
    if (leaf.seen < threshold) return
    leaf.seen = -Infinity
    this.wanted.push(keys)
  }

  /** The node of a candidate. */
  #candidate(keys: Structure): Node {
    if (this.#candidateNodes + keys.length > MAX_CANDIDATE_NODES) this.#forgetCandidates()
    return this.#leaf(keys)
  }

  #leaf(keys: Structure): Node {
    let at = this.#root
    for (const key of keys) {
      let next = at.next.get(key)
      if (next === undefined) {
        next = node()
        at.next.set(key, next)
        this.#candidateNodes += 1
      }
      at = next
    }
    return at
  }

  #forgetCandidates(): void {
    this.#root = node()
    for (const keys of this.#shared) this.#leaf(keys).shared = true
    for (const keys of this.wanted) this.#leaf(keys).seen = -Infinity
    this.#candidateNodes = 0
  }
}

function node(): Node {
  return { next: new Map(), shared: false, seen: 0 }
}

/** As msgpackr asks it, so that both see the same keys. */
function hasOwn(object: object, key: string): boolean {
  return typeof object.hasOwnProperty !== 'function' || object.hasOwnProperty(key)
}
