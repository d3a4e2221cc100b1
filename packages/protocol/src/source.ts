/**
 * Source text under construction: lines, names that do not clash, and objects the text refers to.
 */
export class Source {
  readonly #lines: string[] = []
  readonly #constants: unknown[] = []
  #names = 0

  /** Appends a line and returns its index. */
  line(text: string): number {
    return this.#lines.push(text) - 1
  }

  replaceLine(index: number, text: string): void {
    this.#lines[index] = text
  }

  /** A new name. */
  name(prefix: string): string {
    this.#names += 1
    return `${prefix}${this.#names}`
  }

  /** An expression for an object that text cannot spell out. */
  constant(value: unknown): string {
    return `CONSTANTS[${this.#constants.push(value) - 1}]`
  }

  get constants(): readonly unknown[] {
    return this.#constants
  }

  toString(): string {
    return this.#lines.join('\n')
  }
}
