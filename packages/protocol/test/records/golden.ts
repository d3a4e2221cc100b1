import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The bytes of a file in `golden/records`: base64, after lines that begin with `#`. */
export function golden(name: string): Buffer {
  const text = readFileSync(join(__dirname, '..', 'golden', 'records', `${name}.b64`), 'utf8')
  return Buffer.from(text.replace(/^#.*$/gm, ''), 'base64')
}

/** A small linear congruential generator of numbers in [0, 1): the same in every run. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
