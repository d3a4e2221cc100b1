/** Bytes that look random and are the same on every run (mulberry32). */
export function seededBytes(seed: number): (count: number) => Buffer {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  return (count) => Buffer.from(Array.from({ length: count }, () => next() & 0xff))
}
