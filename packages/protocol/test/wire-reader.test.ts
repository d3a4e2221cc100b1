import { WireReader } from '../src/wire-reader'

const read = (bytes: Uint8Array): string => {
  const prefix = Buffer.alloc(2)
  prefix.writeInt16BE(bytes.length)
  return new WireReader(Buffer.concat([prefix, bytes]), 0, 0).string()
}

test('short texts are what their bytes say, whichever were read before', () => {
  // All pairs of bytes: many share a hash, some are no UTF-8, some are one character.
  const pairs = Array.from({ length: 65_536 }, (_, at) => Uint8Array.of(at >> 8, at & 0xff))
  for (const pair of [...pairs, ...pairs.reverse()]) {
    if (read(pair) !== Buffer.from(pair).toString('utf8')) throw new Error(`bytes ${pair}`)
  }
})

test('texts that differ in one byte or in their length alone are told apart', () => {
  for (let length = 0; length <= 40; length++) {
    const text = 'topic-of-some-forty-characters-in-total--'.slice(0, length)
    const others = Array.from(text, (_, at) => `${text.slice(0, at)}\0${text.slice(at + 1)}`)
    for (const each of [text, ...others, text]) expect(read(Buffer.from(each))).toBe(each)
  }
})

test('bytes that are no UTF-8 are not taken for the characters that they number', () => {
  for (let first = 0x80; first < 0x100; first++) {
    for (let second = 0x80; second < 0x100; second++) {
      const bytes = Buffer.of(first, second)
      const text = bytes.toString('latin1')
      if (read(Buffer.from(text)) !== text) throw new Error(text)
      if (read(bytes) !== bytes.toString('utf8')) throw new Error(`bytes ${first} ${second}`)
    }
  }
})
