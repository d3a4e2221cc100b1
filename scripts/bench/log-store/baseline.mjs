// baseline.c without a compiler: the same commands with the shortest Node code for the same I/O. Slower than C
// where the system call is short, so ratios against it flatter; the table says which of the two was used.
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'

const [command, ...rest] = process.argv.slice(2)
const print = (figures) => console.log(JSON.stringify(figures))
const us = () => performance.now() * 1000
/** Rate and CPU time since `start` and `cpu`, as `print_rate` of baseline.c. */
const stopwatch = () => {
  const start = us()
  const cpu = process.cpuUsage()
  return (bytes) => {
    const { user, system } = process.cpuUsage(cpu)
    const bytesPerSecond = (bytes / (us() - start)) * 1e6
    return { bytesPerSecond, cpuSecondsPerGb: ((user + system) / bytes) * 1e3 }
  }
}
const filled = (bytes) => Buffer.alloc(bytes, 'x')
const percentile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
const spread = (taken) => {
  const sorted = Float64Array.from(taken).sort()
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}

/** Calls `each(bytes, position)` for a whole file. */
function walk(file, chunk, each, fresh = false) {
  let buffer = filled(chunk)
  for (let at = 0; ;) {
    if (fresh) buffer = Buffer.allocUnsafe(chunk)
    const got = fs.readSync(file, buffer, 0, chunk, at)
    if (got === 0) return at
    each?.(buffer.subarray(0, got), at)
    at += got
  }
}

function readPasses([name, chunk, passes], fresh) {
  const file = fs.openSync(name, 'r')
  walk(file, Number(chunk), undefined, fresh)
  const watch = stopwatch()
  let total = 0
  for (let pass = 0; pass < passes; pass++) total += walk(file, Number(chunk), undefined, fresh)
  print(watch(total))
}

async function syncLoop(directory, numbers) {
  const [count, threads, acks, bytes, seconds, delayUs] = numbers
  const names = Array.from({ length: count }, (_, n) => path.join(directory, `baseline-sync-${n}`))
  for (const name of names) fs.mkdirSync(name)
  const files = names.map((name) => fs.openSync(path.join(name, '0.log'), 'w+'))
  const chunks = Array(Math.min(acks, 1024)).fill(filled(bytes))
  const taken = []
  let position = 0
  let rounds = 0
  const begin = us()
  while (us() < begin + seconds * 1e6) {
    const start = us()
    for (const file of files) {
      for (let done = 0; done < acks; done += chunks.length) {
        const some = chunks.slice(0, acks - done)
        fs.writevSync(file, some, position + done * bytes)
      }
    }
    position += acks * bytes
    const queue = files.values()
    const thread = async () => {
      for (const file of queue) {
        await new Promise((done, failed) => fs.fdatasync(file, (e) => (e ? failed(e) : done())))
        if (delayUs > 0) await new Promise((done) => setTimeout(done, delayUs / 1000))
        taken.push(us() - start)
      }
    }
    await Promise.all(Array.from({ length: threads }, thread))
    rounds++
  }
  print({ acksPerSecond: ((rounds * count * acks) / (us() - begin)) * 1e6, ...spread(taken) })
  for (const name of names) fs.rmSync(name, { recursive: true })
}

const segmentFile = (directory, count, segment, suffix) =>
  path.join(directory, count, 'bench-0', String(segment * 1024 ** 2).padStart(20, '0') + suffix)

/** As `closed_call` of baseline.c. */
function closedCall(directory, count, find) {
  const segment = Math.floor(Math.random() * count)
  const size = 1024 ** 3
  const places = [0, size / 2, size - (segment === count >> 1 ? 16384 : 4096)]
  const position = places[Math.floor(Math.random() * 3)]
  const open = (at, suffix, flags) => fs.openSync(segmentFile(directory, count, at, suffix), flags)
  const reopen = (before, suffix, flags) => {
    fs.closeSync(before)
    return open(segment, suffix, flags)
  }
  const take = (file, bytes, at) => {
    if (at === 0) fs.fstatSync(file)
    fs.readSync(file, buffer, 0, bytes, at)
  }
  const buffer = filled(16384)
  let data = open(Number(count), '.log', 'r+')
  let index = open(Number(count), '.index', 'r')
  take(index, 16, 0)
  take(data, 9216, 0)
  const start = us()
  if (find) {
    index = reopen(index, '.index', 'r')
    take(index, 16, 0)
    data = reopen(data, '.timeindex', 'r')
    take(data, 36, 0)
    data = reopen(data, '.log', 'r+')
    for (const bytes of [4096, 4096, 1024]) take(data, bytes, position)
  } else {
    data = reopen(data, '.log', 'r+')
    index = reopen(index, '.index', 'r')
    take(index, 16, 0)
    take(data, 9216, position)
  }
  const taken = us() - start
  fs.closeSync(data)
  fs.closeSync(index)
  return taken
}

const medianOf = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]

const commands = {
  write([directory, bytes, chunk, passes]) {
    const name = path.join(directory, 'baseline-write')
    const buffer = filled(Number(chunk))
    const seconds = { wall: 0, cpu: 0 }
    for (let pass = 0; pass <= passes; pass++) {
      const file = fs.openSync(name, 'w+')
      const watch = stopwatch()
      for (let at = 0; at < bytes; at += buffer.length) {
        fs.writeSync(file, buffer, 0, buffer.length, at)
      }
      const { bytesPerSecond, cpuSecondsPerGb } = watch(bytes)
      if (pass > 0) {
        seconds.wall += bytes / bytesPerSecond
        seconds.cpu += cpuSecondsPerGb * bytes
      }
      fs.closeSync(file)
      fs.unlinkSync(name)
    }
    const total = bytes * passes
    print({ bytesPerSecond: total / seconds.wall, cpuSecondsPerGb: seconds.cpu / total })
  },
  read: (how) => readPasses(how, false),
  'read-fresh': (how) => readPasses(how, true),
  scan([name, chunk]) {
    const file = fs.openSync(name, 'r')
    walk(file, Number(chunk))
    const reading = stopwatch()
    const plain = reading(walk(file, Number(chunk)))
    // Whichever CRC it is: zlib's is the one that needs no code of its own, where there is it.
    if (zlib.crc32 === undefined) return print(plain)
    const checking = stopwatch()
    let crc = 0
    const { bytesPerSecond, cpuSecondsPerGb } = checking(
      walk(file, Number(chunk), (bytes) => (crc = zlib.crc32(bytes, crc))),
    )
    print({
      ...plain,
      checkedBytesPerSecond: bytesPerSecond,
      checkedCpuSecondsPerGb: cpuSecondsPerGb,
      crc,
    })
  },
  random([name, bytes, count]) {
    const file = fs.openSync(name, 'r')
    const room = fs.fstatSync(file).size - bytes
    const buffer = filled(Number(bytes))
    const taken = Array.from({ length: Number(count) }, () => {
      const start = us()
      fs.readSync(file, buffer, 0, buffer.length, Math.floor(Math.random() * room))
      return us() - start
    })
    print(spread(taken))
  },
  sync([directory, ...numbers]) {
    return syncLoop(directory, numbers.map(Number))
  },
  open([directory]) {
    const start = us()
    const buffer = filled(4096)
    const all = fs.readdirSync(directory, { withFileTypes: true })
    const logs = all.filter((entry) => entry.isDirectory())
    for (const { name } of logs) {
      for (const entry of fs.readdirSync(path.join(directory, name), { withFileTypes: true })) {
        if (!entry.isFile()) continue
        const file = fs.openSync(path.join(directory, name, entry.name), 'r+')
        fs.fstatSync(file)
        fs.readSync(file, buffer, 0, 4096, 0)
        fs.closeSync(file)
      }
    }
    print({ msPerLog: (us() - start) / 1000 / logs.length })
  },
  closed([directory, find, turns, calls, ...pairs]) {
    const logs = []
    for (let at = 0; at < pairs.length; at += 2) {
      logs.push({ count: pairs[at], label: pairs[at + 1], medians: [] })
    }
    for (let turn = -Math.ceil(turns / 3); turn < turns; turn++) {
      for (let n = 0; n < logs.length; n++) {
        const { count, medians } = logs[(turn + Number(turns) + n) % logs.length]
        const each = () => closedCall(directory, count, find === '1')
        const taken = Array.from({ length: Number(calls) }, each)
        if (turn >= 0) medians.push(medianOf(taken))
      }
    }
    const figures = Object.fromEntries(logs.map(({ label, medians }) => [label, medianOf(medians)]))
    const last = logs.at(-1).medians
    const ratios = last.map((value, turn) => value / logs[0].medians[turn])
    print({ ...figures, ratio: medianOf(ratios) })
  },
  copy([from, directory, chunk]) {
    const to = path.join(directory, 'baseline-copy')
    const out = fs.openSync(to, 'w+')
    const watch = stopwatch()
    const total = walk(fs.openSync(from, 'r'), Number(chunk), (bytes, at) =>
      fs.writeSync(out, bytes, 0, bytes.length, at),
    )
    fs.fdatasyncSync(out)
    print(watch(total))
    fs.unlinkSync(to)
  },
}

if (!Object.hasOwn(commands, command)) {
  console.error(`baseline.mjs cannot ${command}`)
  process.exit(2)
}
await commands[command](rest)
