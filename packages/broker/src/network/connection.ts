import type { FrameDecoder } from '@kfk/protocol'
import type { ByteStream } from './byte-stream.js'
import type { FrameOwner, FramePool } from './frame-pool.js'
import { firstReadBytes, type MemoryAccount, type RequestMemory } from './request-memory.js'

/** Pipelined requests of one connection that may wait for their answer at the same time. */
const inFlightRequestsMax = 128
/**
 * Received bytes of whole frames that may wait behind an unfinished request before the socket is no
 * longer read.
 */
const backlogBytesMax = 1024 * 1024
/**
 * Over this much unsent output a connection is neither read nor served: the client does not take
 * its answers.
 */
const unsentBytesMax = 4 * 1024 * 1024

/** The answer to one request, at its place in the order of requests. */
export interface ResponseSlot {
  /** Hands over the encoded response; `undefined` when none is due. Only the first call counts. */
  complete(chunks: readonly Uint8Array[] | undefined): void
}

/** A request that runs. */
class Slot implements ResponseSlot {
  readonly frame: Uint8Array
  readonly lends: boolean
  chunks: readonly Uint8Array[] | undefined
  done = false
  readonly #onDone: (slot: Slot) => void

  constructor({ frame, lends }: IncomingRequest, onDone: (slot: Slot) => void) {
    this.frame = frame
    this.lends = lends
    this.#onDone = onDone
  }

  complete(chunks: readonly Uint8Array[] | undefined): void {
    if (this.done) return
    this.done = true
    this.chunks = chunks
    this.#onDone(this)
  }
}

/** What a frame holds: the buffer that it is a part of, if it is most of it. */
function memoryOf(frame: Uint8Array): number {
  const { length } = frame
  if (length < firstReadBytes / 2) return length
  const { byteLength } = frame.buffer
  return length * 2 > byteLength ? byteLength : length
}

/** Connections that have answers to send. */
let answering: Connection[] = []

function sendAnswers(): void {
  const connections = answering
  answering = []
  for (let at = 0; at < connections.length; at++) connections[at]!.sendAnswers()
}

/** A frame whose header has been read. */
export interface IncomingRequest {
  readonly frame: Uint8Array
  /** It may start while pipelined ones are unanswered. */
  readonly pipelined: boolean
  /** The frame's memory may be used again when it is answered, and what logs got of it written. */
  readonly lends: boolean
}

/**
 * What a connection asks of the rest of the broker. `R` is a request as the dispatcher keeps it.
 */
export interface ConnectionDelegate<R extends IncomingRequest = IncomingRequest> {
  /**
   * Reads the header of a frame. Throws when it is malformed or unknown: the connection closes with
   * that reason.
   */
  open(frame: Uint8Array): R
  /**
   * Serves a request. Throws when its body is malformed: the connection closes with that reason.
   */
  dispatch(connection: Connection, request: R, slot: ResponseSlot): void
  /** A connection that the broker closes for a reason. Reported once. */
  onFault(connection: Connection, reason: unknown): void
  onClosed(connection: Connection): void
}

/**
 * One client. Cuts the stream into frames, keeps the order of responses, and stops reading when the
 * client is ahead of the broker. Like Kafka, it runs one request at a time, but for pipelined ones
 * (Produce), which start at once and overlap.
 */
export class Connection implements MemoryAccount, FrameOwner {
  usedBytes = 0
  wantedBytes = 0
  waiting = false
  readonly #stream: ByteStream
  readonly #decoder: FrameDecoder
  readonly #delegate: ConnectionDelegate
  readonly #memory: RequestMemory
  readonly #frames: FramePool
  /** Memory for parts of answers. */
  readonly answers: FramePool
  #silentSinceMs = 0
  /** Bytes came or a request was answered since `silentMs` was asked. */
  #active = true
  /** Unanswered requests in order of arrival. Answered ones leave from the front. */
  readonly #slots: Slot[] = []
  #backlog: IncomingRequest[] = []
  #backlogBytes = 0
  #inFlightBytes = 0
  #unfinished = 0
  #pipelining = false
  #aborter: AbortController | undefined
  #closed = false
  #stopping = false
  #paused = false
  #receiving = false
  #flushScheduled = false

  constructor(
    stream: ByteStream,
    options: {
      decoder: FrameDecoder
      delegate: ConnectionDelegate
      memory: RequestMemory
      frames: FramePool
      answers: FramePool
    },
  ) {
    this.#stream = stream
    this.#decoder = options.decoder
    this.#delegate = options.delegate
    this.#memory = options.memory
    this.#frames = options.frames
    this.answers = options.answers
    stream.ondata = (chunk, borrowed) => this.#receive(chunk, borrowed, 0)
    // A socket asks after each read: who waits for memory is to have other memory when it goes on.
    stream.space = () => (this.#stopping || this.waiting ? undefined : this.#decoder.space?.())
    stream.onfilled = (byteCount) => this.#receive(undefined, false, byteCount)
    stream.ondrain = () => this.#advance()
    stream.onclose = () => this.#onStreamClosed()
  }

  get peer(): string {
    return this.#stream.peer
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Aborted when the connection closes. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    if (this.#closed) this.#aborter.abort()
    return this.#aborter.signal
  }

  /** Requests received and unanswered. */
  get unanswered(): number {
    return this.#slots.length + this.#backlog.length
  }

  /** Requests that run; also those whose client has gone. */
  get unfinished(): number {
    return this.#unfinished
  }

  /**
   * For how long nothing has been received or answered, in ms. Counts from the calls: the first one
   * after something happened answers 0.
   */
  silentMs(nowMs: number): number {
    if (this.#active) this.#silentSinceMs = nowMs
    this.#active = false
    return nowMs - this.#silentSinceMs
  }

  /** Whether a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#decoder.bufferedBytes > 0
  }

  /**
   * Closes because of the client, with a reason for the log. Earlier requests that are answered
   * keep their responses.
   */
  fault(reason: unknown): void {
    if (this.#closed) return
    this.#delegate.onFault(this, reason)
    this.#flush()
    this.destroy()
  }

  /** Closes at once. */
  destroy(): void {
    this.#stream.destroy()
    this.#onStreamClosed()
  }

  /** Takes no further request, answers those that run, then closes. */
  drain(): void {
    this.#stopping = true
    this.#stream.pause()
    this.#backlog = []
    this.#backlogBytes = 0
    this.#endIfDrained()
  }

  pause(): void {
    this.#updateReading()
  }

  resume(): void {
    this.#decoder.reserve?.()
    this.#updateReading()
  }

  #push(chunk: Uint8Array, borrowed: boolean): void {
    // Handlers keep what they are given: a small chunk is copied as a whole, of a large one only
    // the frames that it completes (what is left over, the decoder copies anyway).
    const copyFirst = borrowed && chunk.length < firstReadBytes
    const copyEach = borrowed && !copyFirst
    const owned = copyFirst ? Buffer.from(chunk) : chunk
    for (const frame of this.#decoder.push(owned)) {
      this.#open(copyEach && frame.buffer === chunk.buffer ? this.#frames.copyOf(frame) : frame)
    }
  }

  #open(frame: Uint8Array | undefined): void {
    if (frame === undefined || this.#closed) return
    const request = this.#delegate.open(frame)
    this.#backlogBytes += frame.length
    if (this.#backlog.length === 0 && this.#mayStart(request)) this.#start(request)
    else this.#backlog.push(request)
  }

  /** A chunk, or bytes that were put into the decoder's space. */
  #receive(chunk: Uint8Array | undefined, borrowed: boolean, filledBytes: number): void {
    if (this.#closed || this.#stopping) return
    this.#active = true
    this.#receiving = true
    try {
      if (chunk === undefined) this.#open(this.#decoder.filled!(filledBytes))
      else this.#push(chunk, borrowed)
      this.#startRequests()
    } catch (error) {
      this.fault(error)
    } finally {
      this.#receiving = false
    }
    this.#flush()
    this.#account()
  }

  #startRequests(): void {
    let started = 0
    const backlog = this.#backlog
    while (started < backlog.length && !this.#closed) {
      const request = backlog[started]!
      if (!this.#mayStart(request)) break
      started++
      this.#start(request)
    }
    if (started === 0) return
    this.#backlog = started === backlog.length ? [] : backlog.slice(started)
  }

  #mayStart(request: IncomingRequest): boolean {
    const alone = this.#unfinished === 0
    if (!alone && !(this.#pipelining && request.pipelined)) return false
    return this.#unfinished < inFlightRequestsMax && this.#stream.unsentBytes <= unsentBytesMax
  }

  #start(request: IncomingRequest): void {
    const bytes = request.frame.length
    this.#pipelining = request.pipelined
    this.#backlogBytes -= bytes
    this.#inFlightBytes += memoryOf(request.frame)
    this.#unfinished++
    const slot = new Slot(request, this.#onDone)
    this.#slots.push(slot)
    this.#delegate.dispatch(this, request, slot)
  }

  readonly #onDone = (slot: Slot): void => {
    this.#unfinished--
    const later = slot.lends && this.#frames.giveAfterWrites(slot.frame, this)
    if (!later) this.#inFlightBytes -= memoryOf(slot.frame)
    this.#scheduleFlush()
  }

  /** The memory of a frame that was answered is free. */
  returned(frame: Uint8Array): void {
    this.#inFlightBytes -= memoryOf(frame)
    this.#account()
  }

  /** One write per connection for all that was answered in one turn of the event loop. */
  #scheduleFlush(): void {
    if (this.#receiving || this.#flushScheduled || this.#closed) return
    this.#flushScheduled = true
    if (answering.push(this) === 1) process.nextTick(sendAnswers)
  }

  /** Sends what was answered since it was asked for. */
  sendAnswers(): void {
    this.#flushScheduled = false
    this.#flush()
    this.#advance()
  }

  #flush(): void {
    const slots = this.#slots
    let ready = 0
    while (ready < slots.length && slots[ready]!.done) ready++
    if (ready === 0 || this.#closed) return
    let chunks = slots[0]!.chunks
    if (ready > 1) chunks = slots.slice(0, ready).flatMap((slot) => slot.chunks ?? [])
    // An array that is emptied by its length gives up its memory.
    if (slots.length === 1) slots.pop()
    else slots.splice(0, ready)
    this.#active = true
    if (chunks !== undefined && chunks.length > 0) this.#stream.write(chunks, this.#onSent)
    this.#endIfDrained()
  }

  readonly #onSent = (chunks: readonly Uint8Array[]): void => {
    for (let at = 0; at < chunks.length; at++) this.answers.give(chunks[at]!)
  }

  /** Something was answered or sent: more may start, or be read. */
  #advance(): void {
    if (this.#closed) return
    while (this.#backlog.length > 0) {
      const before = this.#backlog.length
      this.#receiving = true
      try {
        this.#startRequests()
      } catch (error) {
        this.fault(error)
        return
      } finally {
        this.#receiving = false
      }
      this.#flush()
      if (this.closed || this.#backlog.length === before) break
    }
    this.#account()
  }

  #account(): void {
    if (this.#closed) return
    const held = this.#inFlightBytes + this.#backlogBytes
    const decoder = this.#decoder
    const { bufferedBytes } = decoder
    if (bufferedBytes === 0) this.#memory.update(this, held, firstReadBytes)
    else {
      const { reservedBytes = bufferedBytes, wantedBytes = 0 } = decoder
      this.#memory.update(this, held + reservedBytes, wantedBytes)
      if (wantedBytes > 0 && !this.waiting) {
        // Now, so that it counts before the next one asks.
        decoder.reserve?.()
        this.#memory.update(this, held + (decoder.reservedBytes ?? bufferedBytes), 0)
      }
    }
    this.#updateReading()
  }

  #updateReading(): void {
    const pause =
      this.waiting ||
      this.#stopping ||
      this.#backlogBytes > backlogBytesMax ||
      this.#backlog.length > inFlightRequestsMax ||
      this.#stream.unsentBytes > unsentBytesMax
    if (pause === this.#paused || this.#closed) return
    this.#paused = pause
    if (pause) this.#stream.pause()
    else this.#stream.resume()
  }

  #endIfDrained(): void {
    if (this.#stopping && !this.#closed && this.#slots.length === 0) this.#stream.end()
  }

  #onStreamClosed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#backlog = []
    this.#decoder.end?.()
    this.#memory.close(this)
    this.#aborter?.abort()
    this.#delegate.onClosed(this)
  }
}
