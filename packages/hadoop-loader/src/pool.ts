/**
 * Runs tasks in their order, at most `size` at once; each gets the number of its slot. After the first failure no further
 * task begins, `onFailure` may stop those under way, and when all have ended the first error is thrown.
 */
export async function runPool(
  tasks: readonly ((slot: number) => Promise<void>)[],
  size: number,
  onFailure: (error: unknown) => void,
): Promise<void> {
  let next = 0
  let failure: { error: unknown } | undefined
  const work = async (slot: number): Promise<void> => {
    for (let index = next++; index < tasks.length && !failure; index = next++) {
      try {
        await tasks[index]!(slot)
      } catch (error) {
        if (!failure) {
          failure = { error }
          onFailure(error)
        }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(size, tasks.length) }, (_, slot) => work(slot)))
  if (failure) throw failure.error
}
