/**
 * Runs tasks in their order, at most `size` at once; each gets the number of its slot. After the
 * first failure no further task begins, `onFailure` may stop those under way, and when all have
 * ended the first error is thrown.
 */
export async function runPool(
  tasks: readonly ((slot: number) => Promise<unknown>)[],
  size: number,
  onFailure: (error: unknown) => void,
): Promise<void> {
  let next = 0
  const failures: unknown[] = []
  const work = async (slot: number): Promise<void> => {
    for (let index = next++; index < tasks.length && failures.length === 0; index = next++) {
      try {
        await tasks[index]!(slot)
      } catch (error) {
        if (failures.push(error) === 1) onFailure(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(size, tasks.length) }, (_, slot) => work(slot)))
  if (failures.length > 0) throw failures[0]
}

/** Requests to a target under way at once: enough to hide the time of a round trip. */
const requestsAtOnce = 8

/**
 * Does something with every item, a few at once. Begins nothing more after the first failure, which
 * it throws.
 */
export function forEachAtOnce<T>(
  items: Iterable<T>,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  const tasks = [...items].map((item) => () => act(item))
  return runPool(tasks, requestsAtOnce, () => undefined)
}
