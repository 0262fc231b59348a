/** The heap of a process that runs for months. */
import { setFlagsFromString } from 'node:v8';

/** Of what lives, so much may come on top before all of it is collected. V8's own measure is up to three times as much. */
const GROWTH_PERCENT = 75;

/**
 * Lets V8 collect garbage before the heap is more than three quarters above what lives. What is in flight outlives young
 * generations, so by itself a busy heap grows to several times of what it holds: on a machine with much memory V8 saves the
 * work. The price is about a tenth of a worker's CPU (docs/performance.md); no bound is set that a process could die of.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
