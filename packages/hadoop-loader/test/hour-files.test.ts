import { gunzipSync } from 'node:zlib'
import { crc32 } from 'node:zlib'
import { hourMs } from '../src/file-layout.js'
import { HourFiles } from '../src/hour-files.js'
import { FaultyTarget } from './faulty-target.js'
import { MemoryTarget } from './memory-target.js'

const split = { topic: 'views', partition: 2, from: 100, to: 200 }
const start = Date.UTC(2026, 4, 17)

function hourFiles(target: MemoryTarget | FaultyTarget, options = {}) {
  return new HourFiles({
    target,
    split,
    run: 'run',
    extension: '.jsonl',
    compress: false,
    maxOpen: 2,
    signal: new AbortController().signal,
    ...options,
  })
}

test('the least recently used hour is closed and goes on as its next file', async () => {
  const target = new MemoryTarget()
  const files = hourFiles(target)
  for (const hour of [0, 1, 0, 2, 1, 0]) {
    await files.add(start + hour * hourMs + 5, Buffer.from(`${hour}\n`))
  }
  const closed = await files.close()
  const stem = 'views+2+00000000000000000100+00000000000000000200'
  expect(
    closed.map(({ final, records }) => [final.replace('views/dt=2026-05-17/', ''), records]),
  ).toEqual([
    [`hour=01/${stem}+0.jsonl`, 1],
    [`hour=00/${stem}+0.jsonl`, 2],
    [`hour=02/${stem}+0.jsonl`, 1],
    [`hour=01/${stem}+1.jsonl`, 1],
    [`hour=00/${stem}+1.jsonl`, 1],
  ])
  expect(new Set(closed.map(({ staged }) => staged)).size).toBe(closed.length)
  for (const { staged, bytes, crc32: sum } of closed) {
    const found = target.files.get(staged)!.bytes
    expect(found.length).toBe(bytes)
    expect(crc32(found).toString(16).padStart(8, '0')).toBe(sum)
  }
})

test('no more files are open at the target than allowed, and small ones only while they are written', async () => {
  let open = 0
  let most = 0
  const target = new FaultyTarget(new MemoryTarget(), {
    after(_n, what) {
      if (what.startsWith('create')) most = Math.max(most, (open += 1))
      if (what.startsWith('close')) open -= 1
    },
  })
  const files = hourFiles(target, { maxOpen: 3 })
  const large = Buffer.alloc(60_000, 'x')
  for (let n = 0; n < 200; n++) await files.add(start + (n % 7) * hourMs, large)
  await files.close()
  expect(open).toBe(0)
  expect(most).toBeLessThanOrEqual(3)

  most = 0
  const small = hourFiles(target, { maxOpen: 100 })
  for (let n = 0; n < 50; n++) await small.add(start + n * hourMs, Buffer.from('x\n'))
  await small.close()
  expect(most).toBe(1)
})

test('lines of any length stay whole, in gzip members that follow each other', async () => {
  const target = new MemoryTarget()
  const files = hourFiles(target, { compress: true })
  const lines = Array.from({ length: 300 }, (_, n) => `${n}:${'x'.repeat((n * 7919) % 300_000)}\n`)
  for (const line of lines) await files.add(start, Buffer.from(line))
  const [file] = await files.close()
  expect(gunzipSync(target.files.get(file!.staged)!.bytes).toString()).toBe(lines.join(''))
  expect(file).toMatchObject({ records: 300, firstTimeMs: start, lastTimeMs: start })
})

test('what is aborted leaves nothing', async () => {
  const target = new MemoryTarget()
  const files = hourFiles(target, { maxOpen: 1 })
  for (let n = 0; n < 9; n++) await files.add(start + n * hourMs, Buffer.alloc(200_000))
  await files.reject(Buffer.alloc(200_000))
  expect(target.files.size).toBeGreaterThan(8)
  await files.abort()
  expect([...target.files.keys()]).toEqual([])
})
