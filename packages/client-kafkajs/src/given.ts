/** An argument as a JavaScript program may have passed it: what its type says need not hold. */
export function given(value: unknown): unknown {
  return value
}

/** The same, of an object that may lack what its type has. */
export function givenFields<T extends object>(value: T | undefined): Partial<T> {
  return value ?? {}
}
