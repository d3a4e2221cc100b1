/** One line of a dump; a problem is something that must not be in a sound file. */
export interface DumpLine {
  readonly text: string
  readonly problem: boolean
}

export const line = (text: string): DumpLine => ({ text, problem: false })
export const problem = (text: string): DumpLine => ({ text: `PROBLEM ${text}`, problem: true })
