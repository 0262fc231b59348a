/** One run of the fuzzer: seeded, so that the same seed sends the same frames. */
import { Random } from '../../src/simulator/random.ts';
import type { Dialect } from '../../src/wire/message.ts';
import { REJECT_REASONS, type RejectReason } from '../../src/wire/reasons.ts';
import { Door, totalOf, type Failure, type Tally } from './door.ts';
import { ValidFrames, type Frames } from './frames.ts';
import { enormous, mutated, MUTATIONS } from './mutate.ts';
import { Wire } from './wire.ts';

/** What to run. */
export interface FuzzOptions {
  readonly frames: number;
  readonly seed: number;
  /** Told of progress now and then. */
  onProgress?(done: number): void;
}

/** What came of it. */
export interface FuzzReport {
  readonly frames: number;
  readonly crashes: number;
  /** Frames that ended in exactly one way. */
  readonly accounted: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: Readonly<Record<string, number>>;
  /** Valid events that do not continue their stream, by reason. */
  readonly stopped: Readonly<Record<string, number>>;
  /** Events that were encoded and decoded again. */
  readonly roundTrips: number;
  /** Frames that went through a real socket. */
  readonly throughSocket: number;
  /** Reasons that never struck. */
  readonly missing: readonly RejectReason[];
  /** Mutations that never struck. */
  readonly idle: readonly string[];
  readonly failures: readonly Failure[];
  readonly seed: number;
  readonly seconds: number;
}

/** So many messages go one way or the other at once. */
const ROUND = 500;
/** One round in so many goes through a socket. */
const SOCKET_ONE_IN = 8;
const VALID_SHARE = 150;
const AGAIN_SHARE = 60;

/** Runs it. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { frames: total, seed } = options;
  const startedMs = performance.now();
  const random = new Random(seed);
  const valid = new ValidFrames(random);
  const struck: Record<string, number> = {};
  const doors: Readonly<Record<Dialect, Door>> = {
    numbered: new Door('numbered'),
    classic: new Door('classic'),
  };
  const wire = await Wire.open();
  let throughSocket = 0;
  try {
    for (let done = 0, round = 0; done < total; round += 1) {
      const count = Math.min(ROUND, total - done);
      const dialect: Dialect = random.chance(512) ? 'numbered' : 'classic';
      const door = doors[dialect];
      if (round % SOCKET_ONE_IN === 0) {
        const messages = Array.from({ length: count }, (_, index) =>
          message(dialect, door.next + BigInt(index)),
        );
        await wire.through(messages, (frames) => door.take(frames));
        throughSocket += count;
      } else
        for (let index = 0; index < count; index += 1) {
          const frames = message(dialect, door.next);
          await door.take(enormous(frames, random) ?? frames);
        }
      done += count;
      options.onProgress?.(done);
    }
  } finally {
    await wire.close();
  }

  function message(dialect: Dialect, sequence: bigint): Frames {
    if (random.chance(AGAIN_SHARE)) {
      const again = valid.again();
      if (again) return again;
    }
    const frames = valid.next(dialect, sequence);
    return random.chance(VALID_SHARE) ? frames : mutated(frames, random, valid.again() ?? frames, struck);
  }

  const tally = merged(doors.numbered.tally, doors.classic.tally);
  return {
    frames: total,
    crashes: doors.numbered.crashes + doors.classic.crashes,
    accounted: totalOf(tally),
    ...tally,
    roundTrips: doors.numbered.roundTrips + doors.classic.roundTrips,
    throughSocket,
    missing: REJECT_REASONS.filter((reason) => tally.rejected[reason] === undefined),
    idle: Object.keys(MUTATIONS).filter((name) => struck[name] === undefined),
    failures: [...doors.numbered.failures, ...doors.classic.failures],
    seed,
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
  };
}

function merged(one: Tally, other: Tally): Tally {
  const sum = (
    a: Readonly<Record<string, number>>,
    b: Readonly<Record<string, number>>,
  ): Record<string, number> => {
    const result = { ...a };
    for (const [name, count] of Object.entries(b)) result[name] = (result[name] ?? 0) + count;
    return result;
  };
  return {
    accepted: one.accepted + other.accepted,
    duplicates: one.duplicates + other.duplicates,
    rejected: sum(one.rejected, other.rejected),
    stopped: sum(one.stopped, other.stopped),
  };
}
