/** Sizes and times of a seed: small ones, so that bounds are met. */
import { PARTITION_LIMITS } from '../../src/workflows/contract.ts';
import type { Random } from './random.ts';

/** Events of a seed. */
const EVENTS_MIN = 200;
const EVENTS_MORE = 100;

/** What a seed is made of. */
export type Settings = ReturnType<typeof drawSettings>;

/** Draws them. */
export function drawSettings(draw: Random) {
  return {
    /** True: the engine states no times, so that the ingest stamps its own. */
    stampless: draw.chance(0.2),
    events: EVENTS_MIN + draw.below(EVENTS_MORE),
    users: 2 + draw.below(7),
    /** Events come, and faults strike, for so long, ms. */
    activeMs: draw.pick([5_000, 20_000, 60_000]) * draw.between(0.7, 1.3),
    partitions: 1 + draw.below(4),
    workers: 1 + draw.below(3),
    bursts: 1 + draw.below(20),
    maxInFlightEvents: draw.pick([20, 100, 1_000]),
    chunkEventsMax: draw.pick([3, 20, 1_000]),
    leaseMs: draw.pick([2_000, 5_000, 10_000]),
    /** A second ingest stands by all the time. */
    standby: draw.chance(0.3),
    attemptMs: draw.pick([2_000, 10_000]),
    outboxEventsMax: draw.pick([40, 200, 100_000]),
    graceMs: draw.pick([0, 3_000, 3_600_000]),
    sendHighWaterMark: draw.pick([10, 1_000]),
    diskMs: draw.pick([0.05, 1, 10]),
    limits: {
      ...PARTITION_LIMITS,
      updatesPerRunMax: draw.pick([12, 40, 1_500]),
      updateMsMax: draw.pick([5_000, 30_000]),
      attemptsMax: draw.pick([3, 12]),
      heartbeatMsMax: draw.pick([1_000, 4_000]),
    },
    settlerLimits: {
      groupEventsMax: draw.pick([2, 10, 100]),
      batchesInFlightMax: draw.pick([2, 8]),
      writeMsMax: draw.pick([4_000, 60_000]),
    },
  };
}
