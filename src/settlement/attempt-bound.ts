/**
 * The bound of an attempt: it lasts while its events get settled, since leaving while predecessors come in would only
 * keep others waiting, and ends when none did for a while, or after a number of times that.
 */
import type { Clock } from './clock.ts';

/** Times that an attempt's bound is extended at most while its events get settled. */
const ATTEMPTS_EXTENDED_MAX = 4;

/**
 * Calls `leave` when `ended` did not grow for `attemptMs`, or after `ATTEMPTS_EXTENDED_MAX` times that.
 */
export class AttemptBound {
  readonly #clock: Clock;
  readonly #attemptMs: number;
  readonly #ended: () => number;
  readonly #leave: () => void;
  #endedBefore = 0;
  #periods = 0;
  #cancel: () => void;

  constructor(clock: Clock, attemptMs: number, ended: () => number, leave: () => void) {
    this.#clock = clock;
    this.#attemptMs = attemptMs;
    this.#ended = ended;
    this.#leave = leave;
    this.#cancel = this.#next();
  }

  /** The attempt has ended by itself. */
  cancel(): void {
    this.#cancel();
  }

  #next(): () => void {
    return this.#clock.after(this.#attemptMs, () => {
      this.#periods += 1;
      const ended = this.#ended();
      if (ended === this.#endedBefore || this.#periods >= ATTEMPTS_EXTENDED_MAX) {
        this.#leave();
        return;
      }
      this.#endedBefore = ended;
      this.#cancel = this.#next();
    });
  }
}
