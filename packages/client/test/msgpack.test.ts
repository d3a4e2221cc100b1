import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { Packr, unpack } from 'msgpackr'
import { ClientError, silentLogger } from '../src/index.js'
import { msgpack, type MsgpackSerde } from '../src/msgpack.js'
import { StructuresRegistry } from '../src/msgpack/shared-structures.js'
import { readStructureSet, structureSet, type StructureSet } from '../src/msgpack/structure-set.js'
import type { StructuresLog } from '../src/msgpack/structures-topic.js'
import { checkMsgpack } from '../src/msgpack/value-check.js'

/** What the topic is for: each registry reads it from its own position. */
class MemoryLog {
  readonly sets: StructureSet[] = []
  reads = 0
  down = false
  /** While it is set, nothing is acknowledged. */
  held: Promise<void> | undefined

  connect(): StructuresLog {
    let position = 0
    return {
      read: async () => {
        this.reads += 1
        const found = this.sets.slice(position)
        const end = this.sets.length
        await this.#answer()
        position = end
        return found
      },
      add: async (set) => {
        await this.#answer()
        await this.held
        this.sets.push(set)
      },
    }
  }

  async #answer(): Promise<void> {
    await Promise.resolve()
    if (this.down) throw new ClientError('KFK_CLIENT_UNREACHABLE', 'away', { retriable: true })
  }
}

class World {
  readonly log = new MemoryLog()
  nowMs = 0
  readonly warned: unknown[] = []

  /** A serde as another process has it. */
  serde<T = unknown>(maxSets?: number): MsgpackSerde<T> {
    const structures = new StructuresRegistry(this.log.connect(), {
      clock: { monotonicMs: () => this.nowMs },
      logger: { ...silentLogger, warn: (_message, fields) => void this.warned.push(fields) },
      ...(maxSets !== undefined && { maxSets }),
    })
    return msgpack<T>({ structures })
  }
}

const event = (n: number) => ({
  time: 1_700_000_000_000 + n,
  user: `user-${n}`,
  action: 'view',
  page: { url: `/page/${n}`, referrer: null },
  durations: [n, n * 2],
})

/** Lets what is under way end. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

const isShort = (bytes: unknown): boolean => (bytes as Uint8Array)[0] === 0xc1

describe('without shared structures', () => {
  test('values are MessagePack that any library reads', () => {
    const bytes = msgpack().serialize(event(1)) as Uint8Array
    expect(unpack(bytes)).toEqual(event(1))
    expect(msgpack().deserialize(bytes)).toEqual(event(1))
  })

  test('what comes back is what was written', () => {
    const serde = msgpack()
    const value = {
      bytes: Uint8Array.of(1, 2, 3),
      date: new Date(1_700_000_000_123),
      big: -(2n ** 63n),
      negative: -1.5,
      nothing: undefined,
      list: [true, null, 'ü€😀', 127, 128, 2 ** 40],
    }
    expect(serde.deserialize(serde.serialize(value) as Uint8Array)).toEqual({
      ...value,
      bytes: Buffer.from(value.bytes),
    })
  })

  test('bytes in a value are a copy, for the buffer goes back to its pool', () => {
    const bytes = Buffer.from(msgpack().serialize(Uint8Array.of(7)) as Uint8Array)
    const value = msgpack().deserialize(bytes)
    bytes.fill(0)
    expect([...(value as Uint8Array)]).toEqual([7])
  })

  test('values that were written with structures say how to read them', async () => {
    const writer = new World().serde()
    await writer.share(event(1))
    expect(() => msgpack().deserialize(writer.serialize(event(2)) as Uint8Array)).toThrow(
      /shared structures \([0-9a-f]{8}\): read it with `msgpack\(\{ structures:/,
    )
    await expect(msgpack().share({})).rejects.toThrow('nowhere to share')
  })
})

describe('with shared structures', () => {
  test('a record has its values only, and other processes read it', async () => {
    const world = new World()
    const writer = world.serde()
    const plain = writer.serialize(event(1)) as Uint8Array
    await writer.share(event(1))
    const short = writer.serialize(event(1)) as Uint8Array
    expect(isShort(short)).toBe(true)
    expect(plain.length - short.length).toBe(40)
    const reader = world.serde()
    expect(reader.deserialize(plain)).toEqual(event(1))
    const first = reader.deserialize(short)
    expect(first).toBeInstanceOf(Promise)
    expect(await first).toEqual(event(1))
    expect(reader.deserialize(short)).toEqual(event(1))
    expect(world.log.reads).toBe(3)
  })

  test('no record uses structures before they are in the log', async () => {
    const world = new World()
    const writer = world.serde()
    let acknowledge!: () => void
    world.log.held = new Promise((resolve) => (acknowledge = resolve))
    for (let n = 0; n < 40; n++) {
      expect(isShort(writer.serialize(event(n)))).toBe(false)
      if (n === 20) await settled()
    }
    expect(world.log.sets).toEqual([])
    acknowledge()
    await settled()
    expect(world.log.sets.map(({ text }) => text)).toEqual([
      '[["time","user","action","page","durations"],["url","referrer"]]',
    ])
    expect(isShort(writer.serialize(event(17)))).toBe(true)
  })

  test('writers of different shapes share nothing but the log', async () => {
    const world = new World()
    const [a, b, reader] = [world.serde(), world.serde(), world.serde()]
    await Promise.all([a.share({ a: 1, b: 2 }), b.share({ b: 1, a: 2 })])
    const values = [
      [a, { a: 3, b: 4 }],
      [b, { b: 5, a: 6 }],
      [a, { other: { a: 7, b: 8 } }],
    ] as const
    for (const [writer, value] of values) {
      const bytes = writer.serialize(value) as Uint8Array
      expect(isShort(bytes)).toBe(true)
      const read = await reader.deserialize(bytes)
      expect(JSON.stringify(read)).toBe(JSON.stringify(value))
    }
  })

  test('a writer that starts again uses what is there, and adds nothing', async () => {
    const world = new World()
    await world.serde().share([{ a: 1 }, { b: 1 }])
    expect(world.log.sets).toHaveLength(1)
    const again = world.serde()
    await again.share({ b: 2 })
    await again.share({ a: 2 })
    expect(world.log.sets).toHaveLength(1)
    expect(isShort(again.serialize({ a: 3 }))).toBe(true)
  })

  test('while the log is away values are plain; sharing is tried again later', async () => {
    const world = new World()
    const writer = world.serde()
    world.log.down = true
    for (let n = 0; n < 20; n++) void writer.serialize(event(n))
    await settled()
    expect(world.warned).toHaveLength(1)
    world.log.down = false
    void writer.serialize(event(21))
    await settled()
    expect(isShort(writer.serialize(event(22)))).toBe(false)
    world.nowMs += 30_000
    void writer.serialize(event(23))
    await settled()
    expect(isShort(writer.serialize(event(24)))).toBe(true)
    expect(world.log.sets.map(({ structures }) => structures.length)).toEqual([2])
    world.log.down = true
    await expect(writer.share({ new: 1 })).rejects.toMatchObject({ retriable: true })
  })

  test('a reader that cannot ask says so in a retriable error, and reads later', async () => {
    const world = new World()
    const writer = world.serde()
    await writer.share({ a: 1 })
    const bytes = writer.serialize({ a: 2 }) as Uint8Array
    const reader = world.serde()
    world.log.down = true
    await expect(reader.deserialize(bytes)).rejects.toMatchObject({ retriable: true })
    world.log.down = false
    expect(await reader.deserialize(bytes)).toEqual({ a: 2 })
  })

  test('structures that are nowhere are an error that says what to do, asked for rarely', async () => {
    const elsewhere = new World().serde()
    await elsewhere.share({ a: 1 })
    const bytes = elsewhere.serialize({ a: 2 }) as Uint8Array
    const world = new World()
    const reader = world.serde()
    for (let n = 0; n < 3; n++) {
      await expect(reader.deserialize(bytes)).rejects.toMatchObject({
        code: 'KFK_CLIENT_INVALID_DATA',
        message: expect.stringMatching(/^structures [0-9a-f]{8} are not known: .* copy that topic/),
      })
    }
    expect(world.log.reads).toBe(1)
    await world.serde().share({ a: 1 })
    world.nowMs += 1000
    expect(await reader.deserialize(bytes)).toEqual({ a: 2 })
  })

  test('a reading that began before a set was written is followed by another', async () => {
    const world = new World()
    const [writer, reader] = [world.serde(), world.serde()]
    await writer.share({ a: 1 })
    const elsewhere = new World()
    const other = elsewhere.serde()
    await other.share({ b: 1 })
    const first = reader.deserialize(writer.serialize({ a: 2 }) as Uint8Array)
    world.log.sets.push(...elsewhere.log.sets)
    const second = reader.deserialize(other.serialize({ b: 2 }) as Uint8Array)
    expect(await Promise.all([first, second])).toEqual([{ a: 2 }, { b: 2 }])
  })

  test('bytes that have to wait for their structures are copied', async () => {
    const world = new World()
    const writer = world.serde()
    await writer.share({ a: 1 })
    const bytes = Buffer.from(writer.serialize({ a: 'text' }) as Uint8Array)
    const read = world.serde().deserialize(bytes)
    bytes.fill(0xff)
    expect(await read).toEqual({ a: 'text' })
  })

  test('two sets with one id are never taken for each other', async () => {
    const world = new World()
    const writer = world.serde()
    await writer.share({ a: 1 })
    const bytes = writer.serialize({ a: 2 }) as Uint8Array
    world.log.sets.push({ ...structureSet([['b']])!, id: world.log.sets[0]!.id })
    await expect(world.serde().deserialize(bytes)).rejects.toThrow('two sets of structures')
  })

  test('objects whose keys are data stay maps, and memory stays bounded', async () => {
    const world = new World()
    const writer = world.serde()
    for (let n = 0; n < 20_000; n++) void writer.serialize({ [`user-${n}`]: { visits: n } })
    await settled()
    expect(world.log.sets.map(({ text }) => text)).toEqual(['[["visits"]]'])
  })

  test('a value keeps to 32 structures, a registry to its bound', async () => {
    const world = new World()
    const writer = world.serde()
    const many = Array.from({ length: 40 }, (_, n) => ({ [`key-${n}`]: n }))
    await writer.share(many)
    expect(world.log.sets.map(({ structures }) => structures.length)).toEqual([32])
    expect(await world.serde().deserialize(writer.serialize(many) as Uint8Array)).toEqual(many)
    const bounded = world.serde(1)
    await expect(bounded.share({ beyond: 1 })).rejects.toThrow('cannot be shared')
    await world.serde().share({ beyond: 1 })
    const other = world.serde()
    await other.share({ beyond: 1 })
    const beyond = other.serialize({ beyond: 2 }) as Uint8Array
    await expect(bounded.deserialize(beyond)).rejects.toThrow('raise `maxSets`')
  })

  test('values of every kind come back, shared or not', async () => {
    const world = new World()
    const key = fc.constantFrom('a', 'b', 'id', 'constructor', 'toString', '', 'ä b', '0')
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.string({ unit: 'grapheme' }),
        fc.double({ noNaN: true }),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.array(tie('value'), { maxLength: 20 }),
        fc.dictionary(key, tie('value'), { noNullPrototype: true }),
      ),
    }))
    const [writer, reader] = [world.serde(), world.serde()]
    await fc.assert(
      fc.asyncProperty(value, fc.boolean(), async (data, share) => {
        // After 32 structures there is no room for more.
        if (share) await writer.share(data).catch(() => undefined)
        const bytes = writer.serialize(data) as Uint8Array
        expect(await reader.deserialize(bytes)).toEqual(data)
      }),
      { seed: 5, numRuns: 500 },
    )
  })
})

describe('a record of the topic of structures', () => {
  const set = structureSet([['a', 'b'], ['c']])!
  const read = (key: string | null, value: string | null) =>
    readStructureSet(
      key === null ? null : Buffer.from(key),
      value === null ? null : Buffer.from(value),
    )

  test('is the text of a set under its hash', () => {
    expect(set.text).toBe('[["a","b"],["c"]]')
    expect(read(set.hash, set.text)).toEqual(set)
    expect(set.id.toString(16)).toBe(set.hash.slice(0, 8))
  })

  test.each([
    ['a tombstone', set.hash, null],
    ['no key', null, set.text],
    ['another hash', structureSet([['c']])!.hash, set.text],
    ['no JSON', undefined, '[["a"'],
    ['no list', undefined, '{"a":1}'],
    ['no lists', undefined, '["a"]'],
    ['keys that are no text', undefined, '[[1]]'],
    ['a key twice', undefined, '[["a","a"]]'],
    ['no keys', undefined, '[[]]'],
    ['a prototype', undefined, '[["__proto__"]]'],
    [
      'too many structures',
      undefined,
      JSON.stringify(Array.from({ length: 33 }, (_, n) => [`${n}`])),
    ],
    ['too many keys', undefined, JSON.stringify([Array.from({ length: 257 }, (_, n) => `${n}`)])],
    ['too long', undefined, JSON.stringify([['x'.repeat(65 * 1024)]])],
  ])('with %s is nothing', (_name, key, value) => {
    const hash = value === null ? '' : createHash('sha256').update(value).digest('hex')
    expect(read(key === undefined ? hash : key, value)).toBeUndefined()
  })
})

describe('what is no value', () => {
  test('nothing becomes a prototype', async () => {
    const polluting = new Packr({ useRecords: false }).pack(
      new Map<string, unknown>([['__proto__', { polluted: true }]]),
    )
    const read = msgpack().deserialize(polluting) as Record<string, unknown>
    expect(read['polluted']).toBeUndefined()
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
    const own = JSON.parse('{"__proto__":{"polluted":true}}') as unknown
    expect(() => msgpack().serialize(own)).toThrow('"__proto__"')
    expect(structureSet([['__proto__']])).toBeUndefined()
  })

  test.each([
    ['nothing', ''],
    ['a list that claims four billion', 'ddffffffff'],
    ['a list within lists that claims a little each', 'dc4000dc4000dc4000'],
    ['a map without its values', '82a161'],
    ['text that is cut off', 'a5616263'],
    ['bytes that are cut off', 'c6000fffff00'],
    ['a value after the value', '0102'],
    ['a definition of a structure (msgpackr)', 'd4724091a16101'],
    ['a regular expression (msgpackr)', 'd478009 2a1 61a0'.replaceAll(' ', '')],
    ['an unknown extension', 'd801' + '00'.repeat(16)],
    ['a list as a key', '819001'],
    ['too deep', '91'.repeat(101) + '01'],
    ['the start of a value with structures', 'c1000000'],
    ['the byte that is never used', '91c1'],
  ])('%s is refused in a sentence', (_name, hex) => {
    const error = thrown(() => msgpack().deserialize(Buffer.from(hex, 'hex')))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toMatch(/^[a-z0-9].{8,60}$/)
  })

  test('a structure that its set does not have is refused', async () => {
    const world = new World()
    const writer = world.serde()
    await writer.share({ a: 1 })
    const bytes = Buffer.from(writer.serialize({ a: 2 }) as Uint8Array)
    bytes[5] = 0x41
    await expect(world.serde().deserialize(bytes)).rejects.toThrow('no structure 1 in its set')
  })

  test('garbage is a value or a TypeError, and harms no later value', async () => {
    const world = new World()
    const serde = world.serde()
    await serde.share(event(1))
    const good = Buffer.from(serde.serialize(event(2)) as Uint8Array)
    const flips = fc.array(fc.tuple(fc.nat(good.length - 6), fc.nat(255)), { maxLength: 4 })
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).filter((bytes) => bytes[0] !== 0xc1),
      flips.map((changes) => {
        const copy = Buffer.from(good)
        for (const [at, value] of changes) copy[5 + at] = value
        return copy
      }),
    )
    fc.assert(
      fc.property(garbage, (bytes) => {
        const error = thrown(() => serde.deserialize(bytes))
        if (error !== undefined) expect(error).toBeInstanceOf(TypeError)
        expect(serde.deserialize(good)).toEqual(event(2))
      }),
      { seed: 11, numRuns: 3000 },
    )
  })

  test('what the check accepts, msgpackr reads to the same end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
        if (thrown(() => checkMsgpack(bytes, 0, undefined)) !== undefined) return
        expect(() => new Packr({ useRecords: false }).unpack(Buffer.from(bytes))).not.toThrow()
      }),
      { seed: 3, numRuns: 20_000 },
    )
  })
})

function thrown(act: () => unknown): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}
