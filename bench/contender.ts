/**
 * What takes part in the benchmark, and what is known of it after a round. A contender has a stream of its own, whose
 * next segment each round settles; its processes live for one round.
 */
import type { Market, MarketOptions } from './stream/market.ts';
import type { Segment } from './stream/segment.ts';
import type { CpuByProcess, Pids } from './process/usage.ts';

/** Names as they stand in the report. */
export const CONTENDERS = [
  'classicLoop',
  'workflowPerTrade',
  'writeCeiling',
  'settler',
  'product',
  'productManyUsers',
  'productSkewed',
  'productHot',
] as const;
/** One of them. */
export type ContenderName = (typeof CONTENDERS)[number];

/** What of the workflows' histories a measured segment made. */
export interface HistoryUse {
  readonly events: number;
  readonly bytes: number;
  /** Workflow runs that continued as new meanwhile. */
  readonly runsEnded: number;
}

/**
 * One way to settle. Calls come in this order: start, (fund, once), (calibrate, once), then for each segment prepare,
 * settle and finish, and stop at the end of the round. Only what `settle` does is measured.
 */
export interface Contender {
  readonly name: ContenderName;
  readonly market: MarketOptions;
  /** Trades of the first warm-up, before any rate is known. */
  readonly firstTrades: number;
  /** Starts its processes for a round. */
  start(): Promise<void>;
  /** Its own processes while they run. */
  pids(): Pids;
  fund(segment: Segment): Promise<void>;
  /** Finds its best settings before the first measured segment. What it settles counts for nothing. */
  calibrate?(next: (trades: number) => Segment): Promise<void>;
  /** Does what must not be measured before a segment. */
  prepare?(segment: Segment, measured: boolean): Promise<void>;
  /** Settles a segment to its end; resolves with the time from the first send or write to the end of the last, s. */
  settle(segment: Segment): Promise<number>;
  /** Does what must not be measured after a segment. */
  finish?(): Promise<HistoryUse | undefined>;
  /** Ends its processes. */
  stop(): Promise<void>;
  /** Holds all that was settled against the books. */
  verify(market: Market, folder: string): Promise<Verification>;
  /** What {@link calibrate} found. */
  readonly calibration?: Calibration | undefined;
}

/** Settings that were tried, and the best of them. */
export interface Calibration {
  readonly tried: readonly (Readonly<Record<string, number>> & { readonly tradesPerSecond: number })[];
  readonly best: Readonly<Record<string, number>>;
}

/** Whether what was settled is what the stream says. */
export interface Verification {
  readonly ok: boolean;
  /** How it was verified, and what was wrong. */
  readonly how: 'audit' | 'count';
  readonly detail: string;
}

/** A measured segment of a contender. */
export interface RoundResult {
  readonly name: ContenderName;
  readonly round: number;
  readonly trades: number;
  readonly payloadBytes: number;
  readonly seconds: number;
  readonly tradesPerSecond: number;
  readonly cpuSeconds: CpuByProcess;
  readonly residentMiBMax: CpuByProcess;
  readonly history?: HistoryUse;
}
