/** Time as the settler sees it: handed in, so that a simulation can run it. */

/** A clock with timers. */
export interface Clock {
  /** Ms since the epoch. */
  now(): number;
  /** Calls `then` once after `ms`; the returned function cancels that. */
  after(ms: number, then: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Resolves after `ms`. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
