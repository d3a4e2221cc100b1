import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorByCode, errorCodes } from '../src/error-codes.js'
import { ProtocolError } from '../src/errors.js'

test('codes, names and retriability are those of Kafka', () => {
  const text = readFileSync(path.join(__dirname, 'fixtures', 'kafka-errors.tsv'), 'utf8')
  const expected = text.trim().split('\n').slice(1)
  const rows = Object.values(errorCodes).map((value) => {
    const { code, name, retriable } = errorByCode(value)
    return `${code}\t${name}\t${retriable ? 'retriable' : '-'}`
  })
  expect(rows).toEqual(expected)
})

test('a code of a later Kafka keeps its number', () => {
  expect(errorByCode(9999)).toMatchObject({ code: 9999, name: 'UNKNOWN_SERVER_ERROR' })
})

test('instanceof recognises an error of another copy of the package', async () => {
  await jest.isolateModulesAsync(async () => {
    const other = await import('../src/errors.js')
    expect(other.ProtocolError).not.toBe(ProtocolError)
    const cause = new Error('inner')
    const error = new other.ProtocolError('KFK_PROTOCOL_CORRUPT', 'message', { cause })
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error).toMatchObject({ retriable: false, cause })
    expect({ code: 'KFK_PROTOCOL_CORRUPT' }).not.toBeInstanceOf(ProtocolError)
  })
})
