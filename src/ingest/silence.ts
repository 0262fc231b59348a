/**
 * An engine that is not there is no error: it may start later. But nobody should wait for it without being told what for,
 * so after some seconds it is said, and again now and then.
 */

const FIRST_MS = 5_000;
const AGAIN_MS_MAX = 60_000;

/** Warns of something that lasts, at growing intervals. */
export class Silence {
  readonly #warn: (forMs: number) => void;
  readonly #nowMs: () => number;
  #sinceMs: number | undefined;
  #dueMs = 0;
  #pauseMs = FIRST_MS;

  /** @param warn told how long it has lasted, ms */
  constructor(warn: (forMs: number) => void, nowMs: () => number = () => performance.now()) {
    this.#warn = warn;
    this.#nowMs = nowMs;
  }

  /** It has begun; where it lasts already, nothing changes. */
  begin(): void {
    if (this.#sinceMs !== undefined) return;
    this.#sinceMs = this.#nowMs();
    this.#pauseMs = FIRST_MS;
    this.#dueMs = this.#sinceMs + FIRST_MS;
  }

  /** It is over. */
  end(): void {
    this.#sinceMs = undefined;
  }

  /** To be called now and then. */
  tick(): void {
    const now = this.#nowMs();
    if (this.#sinceMs === undefined || now < this.#dueMs) return;
    this.#pauseMs = Math.min(this.#pauseMs * 2, AGAIN_MS_MAX);
    this.#dueMs = now + this.#pauseMs;
    this.#warn(now - this.#sinceMs);
  }
}
