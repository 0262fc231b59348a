/**
 * The rounds: every contender in turn settles a warm-up and then a measured segment of its stream, in an order that
 * changes from round to round, so that none always comes after the same other. What a contender settled is held against
 * the books once, after its last round; one that fails has no figures.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../src/logging/reason-of.ts';
import type { Progress } from '../src/stack/index.ts';
import type { Contender, ContenderName, RoundResult, Verification } from './contender.ts';
import { serverPids } from './place.ts';
import { UsageMeter } from './process/usage.ts';
import { Market } from './stream/market.ts';
import { writeFunding, writeTrades, type Segment } from './stream/segment.ts';

/** How long rounds are. */
export interface RoundsOptions {
  readonly stands: readonly Stand[];
  readonly rounds: number;
  /** Of a warm-up, and of a measured segment. */
  readonly warmSeconds: (name: ContenderName) => number;
  readonly measuredSeconds: (name: ContenderName) => number;
  /** Trades of a measured segment at least. */
  readonly tradesMin: (name: ContenderName) => number;
  readonly home: string;
  /** For segments and oracles. */
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** All that was measured. */
export interface RoundsOutcome {
  readonly results: readonly RoundResult[];
  readonly verifications: ReadonlyMap<ContenderName, Verification>;
  /** Why a contender did not come to its end. */
  readonly failures: ReadonlyMap<ContenderName, string>;
}

const WARM_TRADES_MIN = 20;

/** A contender with its market and what is known of its speed. */
export class Stand {
  readonly contender: Contender;
  readonly market: Market;
  readonly #folder: string;
  #segments = 0;
  /** Trades a second, as last measured. */
  rate: number | undefined;

  constructor(contender: Contender, folder: string) {
    this.contender = contender;
    this.market = new Market(contender.market);
    this.#folder = folder;
  }

  get isFunded(): boolean {
    return this.market.sequence > 0;
  }

  /** The funding of its users. */
  funding(): Segment {
    return writeFunding(this.#path(), this.market);
  }

  /** The next trades of its stream. */
  trades(count: number): Segment {
    return writeTrades(this.#path(), this.market, count);
  }

  /** So many trades as it should settle in so many seconds. */
  tradesFor(seconds: number, tradesMin = WARM_TRADES_MIN): Segment {
    return this.trades(Math.max(tradesMin, Math.round((this.rate ?? 0) * seconds)));
  }

  #path(): string {
    return join(this.#folder, `${this.contender.name}-${++this.#segments}.segment`);
  }
}

/** Runs all rounds. */
export async function runRounds(options: RoundsOptions): Promise<Omit<RoundsOutcome, 'verifications'>> {
  const { stands, rounds, signal, progress } = options;
  const results: RoundResult[] = [];
  const failures = new Map<ContenderName, string>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const stand of rotated(stands, round - 1)) {
      const { name } = stand.contender;
      if (failures.has(name)) continue;
      signal.throwIfAborted();
      const step = progress.step(`Round ${round} of ${rounds}, ${name}`);
      try {
        const result = await measure(stand, round, options);
        results.push(result);
        step.done(`${Math.round(result.tradesPerSecond)} trades/s over ${result.seconds.toFixed(1)} s`);
      } catch (error) {
        signal.throwIfAborted();
        failures.set(name, reasonOf(error));
        step.fail(failures.get(name)!);
      }
    }
  }
  return { results, failures };
}

/** Contenders that are verified side by side: one reads in its process while the other waits for Cassandra. */
const VERIFIED_AT_ONCE = 2;

/** Holds what the contenders settled against the books, but for those that failed. */
export async function verifyAll(
  { stands, folder, signal, progress }: RoundsOptions,
  failures: ReadonlyMap<ContenderName, string>,
): Promise<Map<ContenderName, Verification>> {
  const verifications = new Map<ContenderName, Verification>();
  const left = stands.filter(({ contender }) => !failures.has(contender.name));
  while (left.length > 0) {
    const some = left.splice(0, VERIFIED_AT_ONCE);
    signal.throwIfAborted();
    const step = progress.step(`Verifying ${some.map(({ contender }) => contender.name).join(' and ')}`);
    const found = await Promise.all(some.map((stand) => verified(stand, folder)));
    signal.throwIfAborted();
    for (const [index, { contender }] of some.entries()) verifications.set(contender.name, found[index]!);
    const details = found.map(({ detail }) => detail).join('; ');
    if (found.every(({ ok }) => ok)) step.done(details);
    else step.fail(details);
  }
  return verifications;
}

async function verified({ contender, market }: Stand, folder: string): Promise<Verification> {
  try {
    return await contender.verify(market, folder);
  } catch (error) {
    const detail = reasonOf(error);
    return { ok: false, how: 'count', detail: `it could not be verified: ${detail}` };
  }
}

/** The list, beginning at another place. */
export function rotated<T>(list: readonly T[], by: number): readonly T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** One round of one contender. */
async function measure(stand: Stand, round: number, options: RoundsOptions): Promise<RoundResult> {
  const { contender } = stand;
  const { name } = contender;
  try {
    await contender.start();
    await warmUp(stand, options.warmSeconds(name));
    const segment = stand.tradesFor(options.measuredSeconds(name), options.tradesMin(name));
    await contender.prepare?.(segment, true);
    const meter = new UsageMeter({ ...contender.pids(), ...serverPids(options.home), bench: process.pid });
    let seconds: number;
    let usage: ReturnType<UsageMeter['end']>;
    try {
      seconds = await contender.settle(segment);
    } finally {
      usage = meter.end();
    }
    const history = await contender.finish?.();
    rmSync(segment.path);
    stand.rate = segment.messages / seconds;
    return {
      name,
      round,
      trades: segment.messages,
      payloadBytes: segment.payloadBytes,
      seconds,
      tradesPerSecond: stand.rate,
      ...usage,
      ...(history && { history }),
    };
  } finally {
    await contender.stop();
  }
}

/** Funds the users if that was not done yet, and settles for so long that code is compiled and caches are filled. */
export async function warmUp(stand: Stand, seconds: number): Promise<void> {
  const { contender } = stand;
  const settle = async (segment: Segment): Promise<number> => {
    await contender.prepare?.(segment, false);
    const taken = await contender.settle(segment);
    await contender.finish?.();
    stand.rate = segment.messages / taken;
    rmSync(segment.path);
    return taken;
  };
  if (!stand.isFunded) {
    const funding = stand.funding();
    await contender.fund(funding);
    rmSync(funding.path);
    await contender.calibrate?.((trades) => stand.trades(trades));
  }
  if (stand.rate === undefined) await settle(stand.trades(contender.firstTrades));
  // A rate is too low while code is compiled: what was meant to fill the time may not.
  for (let left = seconds; left > 0;) left -= await settle(stand.tradesFor(Math.max(left, seconds / 4)));
}

/** Lets a contender settle whose figures count for nothing: servers are slow at first, too. */
export async function warmServers(
  contender: Contender,
  seconds: number,
  options: RoundsOptions,
): Promise<void> {
  const step = options.progress.step('Warming the servers');
  const stand = new Stand(contender, options.folder);
  try {
    await contender.start();
    await warmUp(stand, seconds);
    step.done(`${Math.round(stand.rate ?? 0)} trades/s in the end`);
  } finally {
    await contender.stop();
  }
}
