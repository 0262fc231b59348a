/** Repeats what a database that is away for a moment made fail. What stops the stream is no failure, and passes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { StreamStopped } from './stop.ts';

const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 5_000;

/** When to give up, and whom to tell. */
export interface RepeatOptions {
  /** Asked after a failure: true to let it out. */
  isOver(): boolean;
  /** Told of each failure that is tried again. */
  onRetry(error: unknown): void;
}

/**
 * Calls an action until it succeeds.
 *
 * @throws {@link StreamStopped} at once; any other error only when it is over
 */
export async function repeat<T>(action: () => Promise<T>, options: RepeatOptions): Promise<T> {
  for (let delayMs = RETRY_MS_FIRST; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
    try {
      return await action();
    } catch (error) {
      if (error instanceof StreamStopped || options.isOver()) throw error;
      options.onRetry(error);
      await sleep(delayMs);
    }
  }
}
