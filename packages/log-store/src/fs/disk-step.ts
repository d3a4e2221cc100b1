/** Bytes or names that changed: durable only after a sync. */
export type DiskChange =
  | {
      readonly kind: 'write'
      readonly path: string
      /** Which file, whatever its name is by now. */
      readonly node: number
      readonly position: number
      readonly bytes: Uint8Array
    }
  | {
      readonly kind: 'truncate'
      readonly path: string
      readonly node: number
      readonly sizeBytes: number
    }
  | {
      readonly kind: 'create'
      readonly path: string
      readonly node: number
      readonly directory: number
      readonly isDirectory: boolean
    }
  | {
      readonly kind: 'remove'
      readonly path: string
      readonly node: number
      readonly directory: number
    }
  | {
      readonly kind: 'rename'
      readonly path: string
      readonly node: number
      readonly directory: number
      /** New name, and the directory that it is in. */
      readonly to: string
      readonly into: number
    }

/** `sync`: the bytes of file `node` are durable. `syncDirectory`: the names in it are. */
export interface DiskSync {
  readonly kind: 'sync' | 'syncDirectory'
  readonly path: string
  readonly node: number
  /** Steps before this one are covered: the sync began then. */
  readonly covers: number
}

/** What happened to a disk. */
export type DiskStep = DiskChange | DiskSync

/**
 * What a power cut leaves of one change that was not durable. As an object: of a write, only its
 * bytes from `from` up to `to`. The rest is as it was before or, with `zeros`, zero: then the size
 * of the file was durable and its bytes were not.
 */
export type Survival =
  'lost' | 'kept' | { readonly from: number; readonly to: number; readonly zeros: boolean }
