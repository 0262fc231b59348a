/** What a run waits for in a scene. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inALine } from './account.ts';
import { ChaosError, type Patience } from './patience.ts';
import type { Scene } from './scene.ts';

/** At least so many events are in flight when a fault strikes. */
export const IN_FLIGHT_MIN = 1_000;
/** So long may enough in flight be waited for although events settle, ms. */
const IN_FLIGHT_MS_MAX = 120_000;
/** What the ingest says of itself must be no older, ms. */
const FRESH_MS = 1_000;
/** So long may the stream stand still without a fault before the run counts as stuck, ms. */
export const STUCK_MS_MAX = 120_000;
const POLL_MS = 20;
/** Waits until enough is in flight, by the ingest's own word. */
export async function untilInFlight(scene: Scene, patience: Patience): Promise<number> {
  let inFlight = 0;
  const isEnough = (): boolean => {
    const { progress } = scene;
    if (!progress || performance.now() - progress.atMs > FRESH_MS) return false;
    inFlight = progress.said.inFlight;
    return inFlight >= IN_FLIGHT_MIN;
  };
  await until(scene, patience, isEnough, `${IN_FLIGHT_MIN} events to be in flight`, IN_FLIGHT_MS_MAX);
  return inFlight;
}

/** Waits for a condition: a bounded time, and no longer than anything settles. */
export async function until(
  scene: Scene,
  patience: Patience,
  condition: () => boolean,
  what: string,
  msMax: number,
): Promise<void> {
  const startedMs = performance.now();
  const over = new AbortController();
  const wait = async (): Promise<void> => {
    while (!condition()) {
      over.signal.throwIfAborted();
      const halted = scene.progress?.said.halted[0];
      if (halted)
        throw new ChaosError(
          `partition ${halted.partition} is halted: ${JSON.stringify(halted.halt.conflict)}`,
        );
      if (performance.now() - Math.max(startedMs, scene.watch.movedAtMs) > STUCK_MS_MAX)
        throw new ChaosError(
          `nothing was settled for ${STUCK_MS_MAX / 1000} s while waiting for ${what}; ${inALine(scene)}`,
        );
      await sleep(POLL_MS);
    }
  };
  try {
    await patience.within(what, msMax, wait);
  } finally {
    over.abort();
  }
}
