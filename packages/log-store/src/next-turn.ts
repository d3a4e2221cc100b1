/** Timers, other input and output, and whoever waits for them have their turn first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
