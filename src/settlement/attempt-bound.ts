/**
 * The bound of an attempt: it lasts while its events get settled, since leaving while predecessors come in would only
 * keep others waiting, and ends when none did for a while, or after a number of times that.
 */
import type { Clock } from './clock.ts';
import type { EventOutcome } from './settle-request.ts';

/** Times that an attempt's bound is extended at most while its events get settled. */
const ATTEMPTS_EXTENDED_MAX = 4;

/** One event of one request, and how to end the waiting for it. */
export interface Asking {
  readonly outcome: Promise<EventOutcome>;
  /** The attempt's time is up: an event that is not being written is handed back. */
  leave(): void;
  /** The attempt is cancelled. */
  abort(reason: unknown): void;
}

/**
 * Hands back what is not settled when nothing of the request got settled for `attemptMs`, or after
 * `ATTEMPTS_EXTENDED_MAX` times that.
 */
export class AttemptBound {
  readonly #clock: Clock;
  readonly #attemptMs: number;
  readonly #askings: readonly Asking[];
  #settled = 0;
  #settledBefore = 0;
  #periods = 0;
  #cancel: () => void;

  constructor(clock: Clock, attemptMs: number, askings: readonly Asking[]) {
    this.#clock = clock;
    this.#attemptMs = attemptMs;
    this.#askings = askings;
    for (const asking of askings)
      asking.outcome.then(
        () => (this.#settled += 1),
        () => undefined,
      );
    this.#cancel = this.#next();
  }

  /** The attempt has ended by itself. */
  cancel(): void {
    this.#cancel();
  }

  #next(): () => void {
    return this.#clock.after(this.#attemptMs, () => {
      this.#periods += 1;
      if (this.#settled === this.#settledBefore || this.#periods >= ATTEMPTS_EXTENDED_MAX) {
        for (const asking of this.#askings) asking.leave();
        return;
      }
      this.#settledBefore = this.#settled;
      this.#cancel = this.#next();
    });
  }
}
