// Damage to the data of a directory, one kind after the other, as a program of its own.
import { answering } from './answering'
import { makeImage } from './corruption-image'
import { type WorkName, works } from './corruption-works'

export interface CorruptionRequest {
  readonly closed: boolean
  readonly jobs: readonly (readonly [work: WorkName, segment: number])[]
}

export interface CorruptionAnswer {
  readonly cases: number
  readonly wrong: readonly string[]
  readonly unnoticeable?: readonly number[]
}

answering(async ({ closed, jobs }: CorruptionRequest): Promise<CorruptionAnswer[]> => {
  const image = await makeImage({ closed })
  const answers: CorruptionAnswer[] = []
  for (const [work, at] of jobs) {
    const { cases, wrong, ...rest } = await works[work](image, image.segments[at]!)
    answers.push({ cases, wrong, ...rest })
  }
  return answers
})
