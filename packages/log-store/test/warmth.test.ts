// What may be read at once, for it is likely to be in the page cache.
import { Warmth } from '../src/warmth'

const kb = 1024
const mb = 1024 ** 2
const fast = { nowMs: 0, durationMs: 0 }
const slow = { nowMs: 0, durationMs: 1000 }

test('what was written or read is warm, for some time, and what is not too far back', () => {
  const warmth = new Warmth()
  expect(warmth.has(0, 1, 0)).toBe(false)
  warmth.noteWritten(100, 200, 1000)
  warmth.noteWritten(200, 300, 2000)
  warmth.noteColdRead(5000, 6000, { nowMs: 2000, durationMs: 9 })
  expect(warmth.has(100, 300, 2000)).toBe(true)
  expect(warmth.has(5100, 6000, 2000)).toBe(true)
  for (const [from, to] of [
    [99, 200],
    [250, 301],
    [300, 5000],
    [5900, 6001],
  ] as const) {
    expect(warmth.has(from, to, 2000)).toBe(false)
  }
  expect(warmth.has(100, 300, 302_000)).toBe(false)
  const long = new Warmth()
  for (let at = 0; at < 300; at++) long.noteWritten(at * mb, (at + 1) * mb, 0)
  expect(long.has(0, mb, 0)).toBe(false)
  expect(long.has(44 * mb, 45 * mb, 0)).toBe(true)
})

test('a write at the end does not warm what lies between it and an old read', () => {
  const warmth = new Warmth()
  warmth.noteColdRead(0, 64 * kb, slow)
  warmth.noteWritten(10 * mb, 11 * mb, 0)
  expect(warmth.has(5 * mb, 6 * mb, 0)).toBe(false)
  expect(warmth.has(0, 64 * kb, 0)).toBe(true)
  expect(warmth.has(10 * mb, 11 * mb, 0)).toBe(true)
})

test('readers at a few places do not make each other cold; the eldest place goes', () => {
  const warmth = new Warmth()
  const places = [10, 20, 30, 40]
  for (const place of places) warmth.noteColdRead(place * mb, (place + 1) * mb, slow)
  for (const place of places) expect(warmth.has(place * mb, (place + 1) * mb, 0)).toBe(true)
  warmth.noteColdRead(11 * mb, 12 * mb, slow)
  warmth.noteColdRead(50 * mb, 51 * mb, slow)
  expect(warmth.has(10 * mb, 12 * mb, 0)).toBe(true)
  expect(warmth.has(20 * mb, 21 * mb, 0)).toBe(false)
})

test('a sequential reader that never waits is trusted further and further', () => {
  const warmth = new Warmth()
  warmth.noteColdRead(0, 64 * kb, fast)
  expect(warmth.has(64 * kb, 128 * kb, 0)).toBe(false)
  warmth.noteColdRead(64 * kb, 128 * kb, fast)
  let end = 128 * kb
  for (let reads = 0; reads < 10_000; reads++) {
    expect(warmth.has(end, end + 64 * kb, 0)).toBe(true)
    warmth.noteWarmRead(end, end + 64 * kb, fast)
    end += 64 * kb
  }
  expect(warmth.has(end, end + 33 * mb, 0)).toBe(false)
  warmth.noteWarmRead(end, end + 64 * kb, slow)
  end += 64 * kb
  expect(warmth.has(end, end + 1, 0)).toBe(false)
  expect(warmth.has(end - mb, end, 0)).toBe(true)
})

test('a sequential reader that waits is not', () => {
  const warmth = new Warmth()
  for (let at = 0; at < 20; at++) {
    warmth.noteColdRead(at * mb, (at + 1) * mb, slow)
    expect(warmth.has((at + 1) * mb, (at + 1) * mb + 1, 0)).toBe(false)
  }
})

test('what had to be waited for was let go, with all that comes after it, until it is touched again', () => {
  const warmth = new Warmth()
  warmth.noteWritten(0, 100 * mb, 0)
  warmth.noteWarmRead(9 * mb, 10 * mb, fast)
  expect(warmth.has(99 * mb, 100 * mb, 0)).toBe(true)
  warmth.noteWarmRead(9 * mb, 10 * mb, slow)
  expect(warmth.has(99 * mb, 100 * mb, 0)).toBe(true)
  warmth.noteWarmRead(10 * mb, 11 * mb, slow)
  expect(warmth.has(10 * mb, 11 * mb, 0)).toBe(true)
  expect(warmth.has(11 * mb, 11 * mb + 1, 0)).toBe(false)
  expect(warmth.has(99 * mb, 100 * mb, 0)).toBe(false)
  warmth.noteWritten(100 * mb, 101 * mb, 0)
  expect(warmth.has(100 * mb, 101 * mb, 0)).toBe(true)
  warmth.noteColdRead(11 * mb, 12 * mb, slow)
  expect(warmth.has(10 * mb, 12 * mb, 0)).toBe(true)
  expect(warmth.has(12 * mb, 13 * mb, 0)).toBe(false)
})

test('reads that were slow for another reason now and then cost nothing', () => {
  const warmth = new Warmth()
  warmth.noteWritten(0, 100 * mb, 0)
  for (let read = 0; read < 1000; read++) {
    const from = ((read * 37) % 100) * mb
    expect(warmth.has(from, from + kb, 0)).toBe(true)
    warmth.noteWarmRead(from, from + kb, read % 9 === 0 ? slow : fast)
  }
})

test('slow reads are one thing: those at once wherever they are, those in one place at any time', () => {
  const slowTwice = (first: number, second: number, between: number[]): Warmth => {
    const warmth = new Warmth()
    warmth.noteWritten(0, 100 * mb, 0)
    warmth.noteWarmRead(first, first + kb, slow)
    for (const from of between) warmth.noteWarmRead(from, from + kb, fast)
    warmth.noteWarmRead(second, second + kb, slow)
    return warmth
  }
  const tail = (count: number) => Array.from({ length: count }, () => 99 * mb)
  const doubts = (warmth: Warmth) => !warmth.has(98 * mb, 99 * mb, 0)
  expect(doubts(slowTwice(50 * mb, 10 * mb, []))).toBe(true)
  expect(doubts(slowTwice(50 * mb, 10 * mb, tail(7)))).toBe(true)
  expect(doubts(slowTwice(50 * mb, 10 * mb, tail(8)))).toBe(false)
  // One who reads in order, stopped by the disk each time the kernel has read ahead no further.
  expect(doubts(slowTwice(10 * mb, 14 * mb, tail(1000)))).toBe(true)
  expect(doubts(slowTwice(14 * mb, 10 * mb + kb, tail(1000)))).toBe(true)
  expect(doubts(slowTwice(10 * mb, 15 * mb, tail(1000)))).toBe(false)
})

test('what was slow for another reason twice in a row costs a tenth of a second, not the whole file', () => {
  const warmth = new Warmth()
  warmth.noteWritten(0, 100 * mb, 0)
  warmth.noteWarmRead(9 * mb, 10 * mb, slow)
  warmth.noteWarmRead(10 * mb, 11 * mb, slow)
  expect(warmth.has(50 * mb, 51 * mb, 99)).toBe(false)
  expect(warmth.has(50 * mb, 51 * mb, 100)).toBe(true)
})

test('what is slow again and again is tried less and less often', () => {
  const warmth = new Warmth()
  warmth.noteWritten(0, 100 * mb, 0)
  let nowMs = 0
  const waits: number[] = []
  const wait = (): void => {
    const since = nowMs
    while (!warmth.has(50 * mb, 51 * mb, nowMs) && nowMs - since < 60_000) nowMs += 50
    waits.push(nowMs - since)
  }
  warmth.noteWarmRead(9 * mb, 10 * mb, slow)
  for (let time = 0; time < 9; time++) {
    warmth.noteWarmRead(10 * mb, 11 * mb, { ...slow, nowMs })
    wait()
  }
  expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
  // What was quick before the place that was slow says nothing of it.
  for (let time = 0; time < 20; time++) warmth.noteWarmRead(0, mb, { ...fast, nowMs })
  warmth.noteWarmRead(10 * mb, 11 * mb, { ...slow, nowMs })
  wait()
  expect(waits.at(-1)).toBe(10_000)
  for (let time = 0; time < 20; time++) warmth.noteWarmRead(60 * mb, 61 * mb, { ...fast, nowMs })
  warmth.noteWarmRead(10 * mb, 11 * mb, { ...slow, nowMs })
  wait()
  expect(waits.at(-1)).toBe(100)
})

test('what was cut off is not there any more', () => {
  const warmth = new Warmth()
  warmth.noteWritten(0, 1000, 0)
  warmth.noteColdRead(5000, 6000, fast)
  warmth.cut(500)
  expect(warmth.has(0, 500, 0)).toBe(true)
  expect(warmth.has(0, 501, 0)).toBe(false)
  expect(warmth.has(5000, 5001, 0)).toBe(false)
  warmth.clear()
  expect(warmth.has(0, 1, 0)).toBe(false)
})
