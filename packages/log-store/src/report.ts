/** What opening had to do, or what went wrong in the background. */
export interface StoreReport {
  readonly kind:
    | 'unclean-start'
    | 'recovered'
    | 'tail-cut'
    | 'quarantined'
    | 'damage-known'
    | 'index-rebuilt'
    | 'checkpoint-unreadable'
    | 'segments-missing'
    | 'log-missing'
    | 'leftover-removed'
    | 'tracker-restored'
    | 'compaction-finished'
    | 'taken-over'
    | 'poisoned'
    | 'background-failure'
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}
