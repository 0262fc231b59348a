/**
 * Says that nothing is settled though events wait for it: no worker runs, or what it needs is away. Nobody else would: the
 * senders just wait. A halted partition says so itself.
 */
import type { Logger } from '../logging/index.ts';
import { Silence } from './silence.ts';

const TICK_MS = 1_000;

/** What it looks at. */
export interface StillnessOptions {
  readonly log: Logger;
  readonly inFlight: () => number;
  /** The watermark as it is persisted. */
  readonly persisted: () => bigint;
  readonly isHalted: () => boolean;
}

/** Watches over one ingest. */
export class Stillness {
  readonly #ticking: NodeJS.Timeout;

  constructor({ log, inFlight, persisted, isHalted }: StillnessOptions) {
    const silence = new Silence((ms) => {
      log.warn(
        { inFlight: inFlight(), watermark: `${persisted()}`, seconds: Math.round(ms / 1000) },
        'nothing is settled: is a worker running, and do its servers answer? "settled status" tells',
      );
    });
    let last = persisted();
    this.#ticking = setInterval(() => {
      const now = persisted();
      if (now !== last || inFlight() === 0 || isHalted()) silence.end();
      else silence.begin();
      last = now;
      silence.tick();
    }, TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.#ticking);
  }
}
