/**
 * How long a run waits. Each wait has a name and a bound of its own, and the run as a whole has one: past it, whatever is
 * waited for fails by its name, so that no run ever ends in somebody else's time-out. What is waited for is told regularly.
 */
import type { Progress } from '../../src/stack/index.ts';

/** The run did not come through; the message says why. */
export class ChaosError extends Error {
  override readonly name = 'ChaosError';
}

export interface PatienceOptions {
  /** The whole run may take so long, ms. */
  readonly msMax: number;
  /** Interrupts. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** How far the run is, in a few words. */
  readonly told: () => string;
  /** Between two lines that tell it, ms. @default 15 000 */
  readonly tellEveryMs?: number;
}

const TELL_EVERY_MS = 15_000;

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** One run's. */
export class Patience {
  /** Aborted when the run is interrupted, and when it is out of time. */
  readonly signal: AbortSignal;
  readonly #options: PatienceOptions;
  readonly #outOfTime = new AbortController();
  readonly #startedMs = performance.now();
  readonly #timers: readonly NodeJS.Timeout[];
  /** What is waited for, the innermost last. */
  readonly #waits: { readonly what: string; readonly sinceMs: number }[] = [];

  constructor(options: PatienceOptions) {
    const { msMax, signal, progress, told, tellEveryMs = TELL_EVERY_MS } = options;
    this.#options = options;
    this.signal = AbortSignal.any([signal, this.#outOfTime.signal]);
    const giveUp = (): void =>
      this.#outOfTime.abort(
        new ChaosError(
          `the run was not through after ${seconds(msMax)}; it waited for ${this.#waitingFor()}; ${told()}`,
        ),
      );
    const tell = (): void =>
      progress.note(
        `${seconds(performance.now() - this.#startedMs)}: waiting for ${this.#waitingFor()}; ${told()}`,
      );
    this.#timers = [setTimeout(giveUp, msMax), setInterval(tell, tellEveryMs)];
  }

  /**
   * Waits for work, and no longer than `msMax`.
   *
   * @throws ChaosError where it takes longer, or the run is out of time; what the work throws; why the run was interrupted
   */
  async within<T>(what: string, msMax: number, work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const wait = { what, sinceMs: performance.now() };
    this.#waits.push(wait);
    let timer: NodeJS.Timeout | undefined;
    let onAbort = (): void => undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new ChaosError(`waited ${seconds(msMax)} in vain for ${what}; ${this.#options.told()}`)),
        msMax,
      );
      onAbort = (): void => reject(this.signal.reason as Error);
      this.signal.addEventListener('abort', onAbort);
    });
    const working = work();
    // Where it loses the race, nobody asks any more how it ended.
    working.catch(() => undefined);
    try {
      return await Promise.race([working, late]);
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener('abort', onAbort);
      this.#waits.splice(this.#waits.indexOf(wait), 1);
    }
  }

  /** There is nothing more to wait for. */
  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #waitingFor(): string {
    const wait = this.#waits.at(-1);
    return wait ? `${wait.what} (since ${seconds(performance.now() - wait.sinceMs)})` : 'nothing';
  }
}
