// Memory that stays in use.

/** Heap and buffers after collections, once what was started has ended. */
export async function settledBytes() {
  await new Promise((resolve) => setTimeout(resolve, 20))
  // Weak references and finalizers take a second round.
  for (let round = 0; round < 3; round++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
