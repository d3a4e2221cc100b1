import {
  VarintReader,
  varintSize,
  varlongSize,
  writeVarint,
  writeVarlong,
} from '../../src/records/varint.js'

const bytes = new Uint8Array(16)

function edges(bits: number): number[] {
  const values = [0]
  for (let bit = 0; bit <= bits; bit++) {
    for (const near of [-1, 0, 1]) values.push(2 ** bit + near, -(2 ** bit) + near)
  }
  return values
}

describe('varints', () => {
  test('every 32-bit edge is written in the size that was computed, and read back', () => {
    for (const value of edges(31).filter((edge) => edge === (edge | 0))) {
      const end = writeVarint(bytes, 0, value)
      expect([value, end]).toEqual([value, varintSize(value)])
      const reader = new VarintReader(bytes, 0, end)
      expect(reader.readVarint()).toBe(value)
      expect(reader.position).toBe(end)
      expect(() => new VarintReader(bytes, 0, end - 1).readVarint()).toThrow(/varint/)
    }
  })

  test('every safe integer edge is a varlong of the size that was computed, and read back', () => {
    for (const value of edges(53).filter(Number.isSafeInteger)) {
      const end = writeVarlong(bytes, 0, value)
      expect([value, end]).toEqual([value, varlongSize(value)])
      const reader = new VarintReader(bytes, 0, end)
      expect(reader.readVarlong()).toBe(value)
      expect(reader.position).toBe(end)
      expect(() => new VarintReader(bytes, 0, end - 1).readVarlong()).toThrow(/varlong/)
    }
  })

  test('the encodings are those of the protocol buffers documentation', () => {
    const encoded = (value: number) => [...bytes.subarray(0, writeVarint(bytes, 0, value))]
    expect(encoded(0)).toEqual([0])
    expect(encoded(-1)).toEqual([1])
    expect(encoded(1)).toEqual([2])
    expect(encoded(150)).toEqual([0xac, 2])
    expect(encoded(2 ** 31 - 1)).toEqual([0xfe, 0xff, 0xff, 0xff, 0x0f])
    expect(encoded(-(2 ** 31))).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f])
  })
})
