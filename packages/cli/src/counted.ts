/** `1 record`, `2 records`. */
export function counted(count: number | bigint, noun: string): string {
  return Number(count) === 1 ? `1 ${noun}` : `${count} ${noun}s`
}
