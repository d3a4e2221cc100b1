import { LoaderError } from '../src/errors.js'
import type { Target, TargetOptions } from '../src/target.js'

export interface Faults {
  /** Called before each operation with its number, from 1. Throws to refuse it. */
  before?(n: number, what: string): void | Promise<void>
  /** Called after an operation that was carried out. Throws when its answer is to be lost. */
  after?(n: number, what: string): void | Promise<void>
}

/** A target whose operations are counted, and fail as they are told to. */
export class FaultyTarget implements Target {
  operations = 0
  readonly url: string

  constructor(
    private readonly inner: Target,
    private readonly faults: Faults = {},
  ) {
    this.url = inner.url
  }

  async create(path: string, options?: TargetOptions) {
    const writer = await this.#do(`create ${path}`, () => this.inner.create(path, options))
    return {
      write: (chunk: Uint8Array) => this.#do(`write ${path}`, () => writer.write(chunk)),
      close: () => this.#do(`close ${path}`, () => writer.close()),
      abort: () => this.#do(`abort ${path}`, () => writer.abort()),
    }
  }

  async *read(path: string, options?: TargetOptions) {
    const chunks: Uint8Array[] = []
    await this.#do(`read ${path}`, async () => {
      for await (const chunk of this.inner.read(path, options)) chunks.push(chunk)
    })
    yield* chunks
  }

  renameIfAbsent(from: string, to: string, options?: TargetOptions) {
    return this.#do(`rename ${from} to ${to}`, () => this.inner.renameIfAbsent(from, to, options))
  }

  replace(from: string, to: string, options?: TargetOptions) {
    return this.#do(`replace ${to}`, () => this.inner.replace(from, to, options))
  }

  list(dir: string, options?: TargetOptions) {
    return this.#do(`list ${dir}`, () => this.inner.list(dir, options))
  }

  stat(path: string, options?: TargetOptions) {
    return this.#do(`stat ${path}`, () => this.inner.stat(path, options))
  }

  delete(path: string, options?: TargetOptions) {
    return this.#do(`delete ${path}`, () => this.inner.delete(path, options))
  }

  async #do<T>(what: string, operation: () => Promise<T>): Promise<T> {
    const n = (this.operations += 1)
    await this.faults.before?.(n, what)
    const result = await operation()
    await this.faults.after?.(n, what)
    return result
  }
}

export function broken(message = 'the target is broken'): LoaderError {
  return new LoaderError('KFK_LOADER_TARGET', message, { retriable: true })
}

/** The n-th operation fails, before or after it was carried out, and all that come later: a loader that dies there. */
export function diesAt(at: number, when: 'before' | 'after'): Faults {
  return {
    before(n) {
      if (when === 'before' ? n >= at : n > at) throw broken()
    },
    after(n) {
      if (n >= at) throw broken()
    },
  }
}

/** The n-th operation fails, and no other. */
export function failsAt(at: number, when: 'before' | 'after'): Faults {
  const fail = (n: number): void => {
    if (n === at) throw broken()
  }
  return when === 'before' ? { before: fail } : { after: fail }
}
