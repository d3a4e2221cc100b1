// What Node itself asks for. Durable appends with nothing else: what came in one turn of the event loop is one write, its
// callers share a promise, an fdatasync in the thread pool settles it. No checksum, no index, no offset, no roll, no
// error. What a log in JavaScript could reach at best, to be set beside what the machine gives to a program in C.
import fs from 'node:fs'
import path from 'node:path'
import { stopwatch } from './fixture.mjs'

const scratch = Buffer.allocUnsafeSlow(1024 ** 2)

class BareLog {
  #turns
  #file
  #position = 0
  #chunks = []
  #group

  constructor(directory, turns) {
    fs.mkdirSync(directory)
    this.#file = fs.openSync(path.join(directory, '0.log'), 'w+')
    this.#turns = turns
  }

  append(bytes) {
    if (this.#group === undefined) {
      this.#group = {}
      this.#group.promise = new Promise((settle) => (this.#group.settle = settle))
      this.#turns.written(this)
    }
    this.#chunks.push(bytes)
    return { lastOffset: 0 }
  }

  whenAcknowledged() {
    return this.#group.promise
  }

  write() {
    let filled = 0
    for (const chunk of this.#chunks) {
      scratch.set(chunk, filled)
      filled += chunk.length
    }
    fs.writeSync(this.#file, scratch, 0, filled, this.#position)
    this.#position += filled
    this.#chunks = []
    const group = this.#group
    this.#group = undefined
    return group
  }

  sync(done) {
    fs.fdatasync(this.#file, done)
  }
}

/** Writes at the end of a turn; then at most `syncs` at once, first come, first served. */
class Turns {
  #syncs
  #dirty = []
  #waiting = []
  #head = 0
  #running = 0

  constructor(syncs) {
    this.#syncs = syncs
  }

  written(log) {
    if (this.#dirty.push(log) === 1) setImmediate(this.#writeAll)
  }

  #writeAll = () => {
    const logs = this.#dirty
    this.#dirty = []
    for (const log of logs) this.#waiting.push({ log, group: log.write() })
    while (this.#running < this.#syncs && this.#head < this.#waiting.length) this.#next()
  }

  #next() {
    const { log, group } = this.#waiting[this.#head++]
    if (this.#head === 1000) this.#head -= this.#waiting.splice(0, 1000).length
    this.#running++
    log.sync(() => {
      this.#running--
      if (this.#head < this.#waiting.length) this.#next()
      group.settle()
    })
  }
}

/** `count` of them in `dir`, at most `syncs` of which are synced at once. For `appendInALoop`. */
export function bareLogs(dir, { count, syncs }) {
  const root = fs.mkdtempSync(path.join(dir, 'bare-'))
  const turns = new Turns(syncs)
  const logs = Array.from(
    { length: count },
    (_, n) => new BareLog(path.join(root, `bare-${n}`), turns),
  )
  return { logs, remove: () => fs.rmSync(root, { recursive: true }) }
}

/** A new file written in order, in calls of `chunk`: what `fill` of a log costs without the log. */
export function bareWrite(dir, bytes, chunk) {
  const name = path.join(dir, 'bare-write')
  const file = fs.openSync(name, 'w+')
  const watch = stopwatch()
  for (let at = 0; at < bytes; at += chunk.length) fs.writeSync(file, chunk, 0, chunk.length, at)
  const figures = watch(bytes)
  fs.closeSync(file)
  fs.unlinkSync(name)
  return figures
}

/** A file read in order through one buffer, or each time into memory of its own; the bytes read. */
export function bareRead(file, readBytes, into) {
  for (let at = 0; ;) {
    const buffer = into ?? Buffer.allocUnsafe(readBytes)
    const got = fs.readSync(file, buffer, 0, readBytes, at)
    if (got === 0) return at
    at += got
  }
}
