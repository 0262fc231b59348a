/**
 * Since when which events are in doubt. The moment of first doubt belongs to the partition, not to an attempt or an
 * Update: so a remainder that is sent again, or a new run, does not start the clock anew. It holds events that are not
 * settled yet, so it is no longer than what is in flight (I7).
 */

/** Sequence → first doubt, ms since the epoch. */
export class Doubts {
  readonly #sinceMs: Map<string, number>;

  constructor(carried: Readonly<Record<string, number>> = {}) {
    this.#sinceMs = new Map(Object.entries(carried));
  }

  /** Those of the given sequences. */
  of(sequences: readonly string[]): Record<string, number> {
    if (this.#sinceMs.size === 0) return {};
    return Object.fromEntries(
      sequences.flatMap((sequence) => {
        const since = this.#sinceMs.get(sequence);
        return since === undefined ? [] : [[sequence, since]];
      }),
    );
  }

  /** What an attempt at the given sequences found: those that it does not name are in doubt no more. */
  replace(sequences: readonly string[], found: Readonly<Record<string, number>>): void {
    if (this.#sinceMs.size > 0) for (const sequence of sequences) this.#sinceMs.delete(sequence);
    for (const [sequence, since] of Object.entries(found)) this.#sinceMs.set(sequence, since);
  }

  /** All of them, to be carried to the next run. */
  all(): Record<string, number> {
    return Object.fromEntries(this.#sinceMs);
  }

  /** Forgets them: a person lets the partition try again. */
  clear(): void {
    this.#sinceMs.clear();
  }
}
