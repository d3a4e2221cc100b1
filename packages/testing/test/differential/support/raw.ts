/** Requests as bytes, for what no codec would write. */
export function requestBytes(request: {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId?: number
  /** Default: "differential". */
  readonly clientId?: string | null
  /** Whether the header ends with tagged fields, of which there are none. Default false. */
  readonly flexible?: boolean
  readonly body: Uint8Array
}): Buffer {
  const { apiKey, apiVersion, correlationId = 7, clientId = 'differential' } = request
  const header = Buffer.alloc(8)
  header.writeInt16BE(apiKey, 0)
  header.writeInt16BE(apiVersion, 2)
  header.writeInt32BE(correlationId, 4)
  const id = clientId === null ? Buffer.alloc(0) : Buffer.from(clientId)
  const idLength = Buffer.alloc(2)
  idLength.writeInt16BE(clientId === null ? -1 : id.length)
  const tags = request.flexible === true ? Buffer.from([0]) : Buffer.alloc(0)
  return framed(Buffer.concat([header, idLength, id, tags, request.body]))
}

/** A frame: its length, then the bytes. */
export function framed(bytes: Uint8Array, length = bytes.length): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(length)
  return Buffer.concat([size, bytes])
}
