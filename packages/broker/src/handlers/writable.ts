/** A message under construction: handlers fill responses in as results arrive. */
export type Writable<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer E)[]
    ? Writable<E>[]
    : T extends object
      ? { -readonly [K in keyof T]: Writable<T[K]> }
      : T
