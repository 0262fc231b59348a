/**
 * Whether a partition is halted, and by which event. A conflict halts it until a person decides (I6); a halt for doubt
 * alone ends by itself once a later read shows its event settled, so the chunk that holds that event is let through to
 * try. Of several conflicts the lowest sequence stands, since those above may follow from it.
 */
import { compareDecimals, holds } from './chunk-rows.ts';
import type { Chunk, ConflictReport, Halt } from './contract.ts';

/** The halt of one partition, if it is halted. */
export class HaltState {
  #current: Halt | undefined;

  constructor(carried: Halt | undefined) {
    this.#current = carried;
  }

  get current(): Halt | undefined {
    return this.#current;
  }

  /** True if an attempt at this chunk may lift the halt by itself. */
  isDecidedBy(chunk: Chunk): boolean {
    const conflict = this.#current?.conflict;
    return conflict?.reason === 'doubt' && holds(chunk, conflict.sequence);
  }

  /** Books an attempt: the chunk before it, what remained, and the conflict it found. */
  book(before: Chunk, rest: Chunk, conflict: ConflictReport | undefined, nowMs: number): void {
    const halting = this.#current?.conflict;
    if (halting && this.isDecidedBy(before) && !holds(rest, halting.sequence)) this.#current = undefined;
    if (!conflict) return;
    const standing = this.#current?.conflict;
    const order = standing ? compareDecimals(conflict.sequence, standing.sequence) : -1;
    // The same finding again keeps the time of the first one.
    if (order < 0 || (order === 0 && conflict.reason !== standing?.reason))
      this.#current = { conflict, since: new Date(nowMs).toISOString() };
  }

  /** Lifts the halt. Returns it, if there was one. */
  lift(): Halt | undefined {
    const lifted = this.#current;
    this.#current = undefined;
    return lifted;
  }
}
