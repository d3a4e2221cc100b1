/** When members have to be heard from, and to have given up what they were asked for. */
export class MemberDeadlines {
  readonly #sessions = new Map<string, number>()
  readonly #revocations = new Map<string, { readonly epoch: number; readonly at: number }>()
  /** Not later than any of them: deadlines that move later are found out when it has come. */
  #earliest = Infinity

  heard(id: string, at: number): void {
    this.#sessions.set(id, at)
    this.#earliest = Math.min(this.#earliest, at)
  }

  /** The member has until then to leave `epoch`. */
  revokes(id: string, epoch: number, at: number): void {
    this.#revocations.set(id, { epoch, at })
    this.#earliest = Math.min(this.#earliest, at)
  }

  revoked(id: string): void {
    this.#revocations.delete(id)
  }

  forget(id: string): void {
    this.#sessions.delete(id)
    this.#revocations.delete(id)
  }

  next(): number {
    return this.#earliest
  }

  /** Who is due: by its session, or with the epoch that it had to leave. Each is told once. */
  due(now: number): readonly { readonly id: string; readonly epoch?: number }[] {
    const found: { id: string; epoch?: number }[] = []
    if (this.#earliest > now) return found
    this.#earliest = Infinity
    for (const [id, at] of this.#sessions) {
      if (at > now) this.#earliest = Math.min(this.#earliest, at)
      else if (this.#sessions.delete(id)) found.push({ id })
    }
    for (const [id, { epoch, at }] of this.#revocations) {
      if (at > now) this.#earliest = Math.min(this.#earliest, at)
      else if (this.#revocations.delete(id)) found.push({ id, epoch })
    }
    return found
  }
}
