// The crash explorer as a program of its own.
import { answering } from './answering'
import type { ExplorationBounds } from './crash-bounds'
import { explore } from './crash-explorer'
import { workloads } from './crash-scripts'

export interface ExploreRequest {
  readonly workload: keyof typeof workloads
  readonly bounds: ExplorationBounds
}

answering(({ workload, bounds }: ExploreRequest) =>
  explore({ ...bounds, workload: workloads[workload] }),
)
