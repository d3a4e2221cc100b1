// Assembles the WebAssembly that computes checksums: node scripts/crc-kernels.mjs [--check]
// writes packages/log-store/src/crc32-kernel.ts (CRC-32, IEEE) and
// packages/protocol/src/records/crc32c-kernel.ts (CRC-32C), which are in the repository.
//
// A checksum is the remainder of the message, read as a polynomial over GF(2), by the generator. Whoever
// adds a multiple of the generator to the message does not change it. Some multiples have few terms:
//
//   CRC-32   x^300 + x^155 + x^117 + x^89 + 1
//   CRC-32C  x^209 + x^144 + x^54 + x^39 + x^14 + 1
//
// so a bit can be cleared when four (five) bits further on are flipped. Squaring keeps the number of
// terms and doubles the exponents, so the same holds for bits that lie `unit` times as far apart, and
// hence, for units of 1, 2 and 16 bytes, of whole vectors. `fold` clears all of a message but its last
// 300 (209) units that way, 16 bytes a step. What is left goes through the usual tables, 16 bytes a step.
//
// Short messages gain nothing from that, but many of them in a row do. Batches begin with 21 bytes that their checksum
// does not cover, it being among them (bytes 17 to 20, the length in bytes 8 to 11). A register that takes in its own
// value becomes 0, and zeros leave it so. `batches` therefore writes the value that the register should have after a
// batch behind it, over the uncovered bytes of the next one, zeros over the rest of them, and lets the batch begin as if
// the register had been set. The checksum of all is 0 when that of each is right. One wrong batch always shows, and
// several do unless what is wrong with them adds up to 0: as likely as a wrong checksum that fits by chance, 2^-32.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { fail, root } from './lib/project.mjs'

export const kernels = [
  {
    name: 'CRC-32 (IEEE)',
    file: 'packages/log-store/src/crc32-kernel.ts',
    constant: 'crc32Kernel',
    exponents: [300, 155, 117, 89, 0],
    least: { 16: 24576, 2: 2560, 1: 512 },
    headerBytes: 34,
    magics: [0x66, 0x67],
  },
  {
    name: 'CRC-32C (Castagnoli)',
    file: 'packages/protocol/src/records/crc32c-kernel.ts',
    constant: 'crc32cKernel',
    exponents: [209, 144, 54, 39, 14, 0],
    least: { 16: 24576, 2: 2560, 1: 384 },
    headerBytes: 61,
    magics: [2, 2],
  },
]

const vector = 16
const page = 64 * 1024
const tableBytes = 16 * 256 * 4
const inputBytes = page
const units = [16, 2, 1]
/** Where the fields of a batch are. */
const [lengthAt, afterLength, magicAt, crcAt, coveredAt] = [8, 12, 16, 17, 21]

// Instructions are arrays of bytes: arguments first, as the machine wants them on its stack.
const unsigned = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)])
const signed = (n) => (n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)])
const list = (...items) => [...unsigned(items.length), ...items.flat()]
const section = (id, bytes) => [id, ...unsigned(bytes.length), ...bytes]
const text = (string) => list(...Buffer.from(string))

const i32 = 0x7f
const v128 = 0x7b
const get = (local) => [0x20, local]
const set = (local, value) => [...value, 0x21, local]
const number = (n) => [0x41, ...signed(n)]
const binary = (code) => (a, b) => [...a, ...b, code]
const less = binary(0x49)
const add = binary(0x6a)
const subtract = binary(0x6b)
const and = binary(0x71)
const xor = binary(0x73)
const shiftLeft = binary(0x74)
const shiftRight = binary(0x76)
const or = binary(0x72)
const rotateLeft = binary(0x77)
const isZero = (value) => [...value, 0x45]
/** One of two numbers. */
const choose = (condition, yes, no) => [...yes, ...no, ...condition, 0x1b]
const load = (at, offset = 0) => [...at, 0x28, 0, ...unsigned(offset)]
const loadByte = (at, offset = 0) => [...at, 0x2d, 0, ...unsigned(offset)]
const store = (at, value, offset = 0) => [...at, ...value, 0x36, 0, ...unsigned(offset)]
const storeByte = (at, value, offset) => [...at, ...value, 0x3a, 0, ...unsigned(offset)]
const loadVector = (at, offset = 0) => [...at, 0xfd, 0, 0, ...unsigned(offset)]
const storeVector = (at, value, offset = 0) => [...at, ...value, 0xfd, 11, 0, ...unsigned(offset)]
const zeroVector = [0xfd, 12, ...new Array(vector).fill(0)]
const xorVector = (a, b) => [...a, ...b, 0xfd, 81, 1]
const copy = (to, from, length) => [...to, ...from, ...length, 0xfc, 10, 0, 0]
const clear = (at, length) => [...at, ...number(0), ...length, 0xfc, 11, 0]
const call = (index, ...args) => [...args.flat(), 0x10, index]
const when = (condition, ...body) => [...condition, 0x04, 0x40, ...body.flat(), 0x0b]
/** Runs the body while the condition holds. */
const loop = (condition, ...body) => [...[0x03, 0x40], ...when(condition, ...body, [0x0c, 1]), 0x0b]
const code = (locals, ...body) => {
  const bytes = [...list(...locals.map((type) => [1, type])), ...body.flat(), 0x0b]
  return [...unsigned(bytes.length), ...bytes]
}

/** Where everything is: tables, input, and what each fold leaves, with the zeros it reads before it. */
function layout({ exponents }) {
  const [degree] = exponents
  const align = (n) => (n + 63) & ~63
  const places = { input: align(tableBytes + degree * 16) }
  let at = places.input + inputBytes
  const rest = {}
  for (const [n, unit] of units.entries()) {
    const before = degree * (units[n + 1] ?? 0)
    rest[unit] = align(at + before)
    at = rest[unit] + degree * unit + 2 * vector
  }
  return { ...places, rest, pages: Math.ceil(at / page) }
}

/** fold(at, length, to): leaves at `to` what has the same remainder; answers its length. */
function fold({ exponents }, unit) {
  const [at, length, to, end, rest, bound] = [0, 1, 2, 3, 4, 5]
  const [degree, ...lower] = exponents
  const distances = lower.map((exponent) => (degree - exponent) * unit)
  // Loads have no negative offsets: one register lies as far back as the farthest of them.
  const farthest = degree * unit
  const folded = (first) =>
    distances.reduce(
      (sum, distance) => xorVector(sum, loadVector(get(at), farthest - distance)),
      first,
    )
  return code(
    [i32, i32, i32],
    set(rest, and(subtract(get(length), number(farthest)), number(-vector))),
    set(at, subtract(get(at), number(farthest))),
    set(end, add(get(at), get(rest))),
    set(rest, subtract(get(length), get(rest))),
    loop(
      less(get(at), get(end)),
      [...add(get(at), number(farthest)), ...folded(loadVector(get(at), farthest)), 0xfd, 11, 0, 0],
      set(at, add(get(at), number(vector))),
    ),
    // From here on nothing is cleared, so nothing may be read that was not.
    copy(get(to), add(get(at), number(farthest)), get(rest)),
    clear(add(get(at), number(farthest)), get(rest)),
    set(bound, add(get(to), get(rest))),
    set(end, get(to)),
    loop(
      less(get(end), get(bound)),
      storeVector(get(end), folded(loadVector(get(end)))),
      set(at, add(get(at), number(vector))),
      set(end, add(get(end), number(vector))),
    ),
    get(rest),
  )
}

/** byTables(crc, at, length): the register after these bytes. */
function byTables() {
  const [crc, at, length, end, word] = [0, 1, 2, 3, 4]
  const lookUp = (index, slice) => load(shiftLeft(index, number(2)), slice * 1024)
  const byteOf = (value, n) => {
    if (n === 0) return and(get(value), number(255))
    const moved = shiftRight(get(value), number(8 * n))
    return n === 3 ? moved : and(moved, number(255))
  }
  const four = (value, slice) =>
    [0, 1, 2, 3].map((n) => lookUp(byteOf(value, n), slice - n)).reduce((a, b) => xor(a, b))
  return code(
    [i32, i32],
    set(end, add(get(at), and(get(length), number(-vector)))),
    loop(
      less(get(at), get(end)),
      set(crc, xor(get(crc), load(get(at)))),
      set(crc, four(crc, 15)),
      ...[1, 2, 3].map((n) => [
        ...set(word, load(get(at), 4 * n)),
        ...set(crc, xor(get(crc), four(word, 15 - 4 * n))),
      ]),
      set(at, add(get(at), number(vector))),
    ),
    set(end, add(get(end), and(get(length), number(vector - 1)))),
    loop(
      less(get(at), get(end)),
      set(
        crc,
        xor(
          lookUp(and(xor(get(crc), loadByte(get(at))), number(255)), 0),
          shiftRight(get(crc), number(8)),
        ),
      ),
      set(at, add(get(at), number(1))),
    ),
    get(crc),
  )
}

/** update(crc, length): the register after `length` bytes of input, which are gone then. */
function update(kernel, { input, rest }) {
  const [crc, length, at] = [0, 1, 2]
  const tables = 0
  const folds = { 16: 1, 2: 2, 1: 3 }
  return code(
    [i32],
    set(at, number(input)),
    when(
      less(number(kernel.least[1] - 1), get(length)),
      store(get(at), xor(load(get(at)), get(crc))),
      set(crc, number(0)),
      ...units.map((unit) =>
        when(
          less(number(kernel.least[unit] - 1), get(length)),
          set(length, call(folds[unit], get(at), get(length), number(rest[unit]))),
          set(at, number(rest[unit])),
        ),
      ),
    ),
    call(tables, get(crc), get(at), get(length)),
  )
}

/** batches(length): how many of the first bytes of input are batches whose checksums are right; all or none, 0. */
function batches({ headerBytes, magics }, { input }) {
  const [length, at, size, register, crc, end] = [0, 1, 2, 3, 4, 5]
  const bigEndian = (local) =>
    or(
      and(rotateLeft(get(local), number(8)), number(0x00ff00ff)),
      and(rotateLeft(get(local), number(24)), number(0xff00ff00 | 0)),
    )
  const left = subtract(get(end), get(at))
  const [lowest, highest] = magics
  const isBatch = [
    less(number(headerBytes - 1), get(size)),
    less(get(size), add(left, number(1))),
    less(subtract(loadByte(get(at), magicAt), number(lowest)), number(highest - lowest + 1)),
  ].reduce((a, b) => and(a, b))
  return code(
    [i32, i32, i32, i32, i32],
    set(at, number(input)),
    set(end, add(get(at), get(length))),
    loop(
      less(number(headerBytes - 1), left),
      set(size, load(get(at), lengthAt)),
      set(size, add(bigEndian(size), number(afterLength))),
      // The end of what can be looked at.
      set(end, choose(isBatch, get(end), get(at))),
      when(
        less(get(at), get(end)),
        set(crc, load(get(at), crcAt)),
        store(get(at), get(register)),
        storeVector(get(at), zeroVector, 4),
        storeByte(get(at), number(0), coveredAt - 1),
        store(get(at), xor(load(get(at), coveredAt), number(-1)), coveredAt),
        set(register, xor(bigEndian(crc), number(-1))),
        set(at, add(get(at), get(size))),
      ),
    ),
    set(length, subtract(get(at), number(input))),
    store(get(at), get(register)),
    choose(isZero(call(4, number(0), add(get(length), number(4)))), get(length), number(0)),
  )
}

export function assemble(kernel) {
  const places = layout(kernel)
  const threeNumbers = [0x60, ...list(i32, i32, i32), ...list(i32)]
  const twoNumbers = [0x60, ...list(i32, i32), ...list(i32)]
  const oneNumber = [0x60, ...list(i32), ...list(i32)]
  const bytes = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(threeNumbers, twoNumbers, oneNumber)),
    ...section(3, list([0], [0], [0], [0], [1], [2])),
    ...section(5, list([1, places.pages, places.pages])),
    ...section(
      7,
      list([...text('memory'), 2, 0], [...text('update'), 0, 4], [...text('batches'), 0, 5]),
    ),
    ...section(
      10,
      list(
        byTables(),
        ...units.map((unit) => fold(kernel, unit)),
        update(kernel, places),
        batches(kernel, places),
      ),
    ),
  ]
  return { bytes: Buffer.from(bytes), ...places }
}

/** The generated file of a kernel. */
export function sourceOf(kernel) {
  const { bytes, input } = assemble(kernel)
  const text = `// Generated by scripts/crc-kernels.mjs, which explains it: not to be edited.

/** Computes ${kernel.name}: WebAssembly in base64; where it takes its input, and how much. */
export const ${kernel.constant} = {
  wasm: '${bytes.toString('base64')}',
  inputAt: ${input},
  inputBytes: ${inputBytes},
}
`
  const file = path.join(root, kernel.file)
  return resolveConfig(file).then((config) => format(text, { ...config, filepath: file }))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check')
  for (const kernel of kernels) {
    const file = path.join(root, kernel.file)
    const source = await sourceOf(kernel)
    if (!check) fs.writeFileSync(file, source)
    else if (fs.readFileSync(file, 'utf8') !== source) fail(`${kernel.file} is not what this makes`)
  }
}
