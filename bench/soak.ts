/**
 * The soak: one long stream through the product, and how fast it is and what memory it takes by tenths of it. What slows
 * down or grows with the number of events shows between the first tenths and the last.
 */
import { rmSync } from 'node:fs';
import type { Progress } from '../src/stack/index.ts';
import type { Verification } from './contender.ts';
import type { Product, Reached } from './contenders/product.ts';
import type { Origin } from './machine.ts';
import { serverPids } from './place.ts';
import { UsageMeter } from './process/usage.ts';
import { warmUp, type Stand } from './rounds.ts';
import { mean, median, significant } from './statistics.ts';

/** A tenth of the stream. */
export interface Tenth {
  readonly tradesPerSecond: number;
  /** Resident memory, the median of what was seen, MiB. */
  readonly workerMiB: number;
  readonly ingestMiB: number;
  /** The highest that was seen. */
  readonly workerMiBMax: number;
  readonly ingestMiBMax: number;
}

/** The soak's report. */
export interface SoakReport extends Origin {
  readonly events: number;
  readonly seconds: number;
  readonly tradesPerSecond: number;
  readonly tenths: readonly Tenth[];
  /** The last tenth against the mean of the second and third. */
  readonly ratios: {
    readonly lastToEarly: number;
    readonly workerGrowth: number;
    readonly ingestGrowth: number;
  };
  readonly cpuSecondsPerMillionTrades: Readonly<Record<string, number>>;
  readonly verification: Verification;
  readonly ok: boolean;
}

/** What it needs. */
export interface SoakOptions {
  readonly product: Stand;
  readonly events: number;
  readonly home: string;
  readonly folder: string;
  readonly warmSeconds: number;
  readonly origin: Origin;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const TENTHS = 10;

/** Memory over time. */
type Memory = readonly { readonly atMs: number; readonly mib: number }[];

/** Settles a stream of trades and looks on. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { product: stand, events, progress, signal } = options;
  const product = stand.contender as Product;
  const step = progress.step(`Soak of ${events} trades`);
  const reached: Reached[] = [];
  try {
    await product.start();
    await warmUp(stand, options.warmSeconds);
    const first = stand.market.sequence;
    const segment = stand.trades(events);
    const meter = new UsageMeter({ ...product.pids(), ...serverPids(options.home), bench: process.pid });
    let settled: { readonly seconds: number; readonly startedMs: number };
    let usage: ReturnType<UsageMeter['end']>;
    try {
      settled = await product.follow(segment, {
        onReached: (one) => {
          signal.throwIfAborted();
          reached.push(one);
          step.update(`${one.sequence - first} settled`);
        },
      });
    } finally {
      usage = meter.end();
    }
    rmSync(segment.path);
    await product.stop();
    step.done(`${Math.round(events / settled.seconds)} trades/s`);
    const verifying = progress.step('Verifying');
    const verification = await product.verify(stand.market, options.folder);
    if (verification.ok) verifying.done(verification.detail);
    else verifying.fail(verification.detail);
    const tenths = tenthsOf(
      [{ atMs: settled.startedMs, sequence: first }, ...reached],
      { first, events },
      { worker: meter.memory('worker'), ingest: meter.memory('ingest') },
    );
    return {
      ...options.origin,
      events,
      seconds: significant(settled.seconds),
      tradesPerSecond: significant(events / settled.seconds),
      tenths,
      ratios: ratiosOf(tenths),
      cpuSecondsPerMillionTrades: Object.fromEntries(
        Object.entries(usage.cpuSeconds).map(([name, used]) => [name, significant((used / events) * 1e6, 3)]),
      ),
      verification,
      ok: verification.ok,
    };
  } finally {
    await product.stop();
  }
}

/**
 * Cuts a run into tenths of its events.
 *
 * @param reached watermarks over time, ascending, from the start on
 */
export function tenthsOf(
  reached: readonly Reached[],
  { first, events }: { readonly first: number; readonly events: number },
  memory: { readonly worker: Memory; readonly ingest: Memory },
): Tenth[] {
  return Array.from({ length: TENTHS }, (_, index) => {
    const [from, to] = [first + (events * index) / TENTHS, first + (events * (index + 1)) / TENTHS];
    const [fromMs, toMs] = [timeOf(reached, from), timeOf(reached, to)];
    const [worker, ingest] = [within(memory.worker, fromMs, toMs), within(memory.ingest, fromMs, toMs)];
    return {
      tradesPerSecond: significant((to - from) / ((toMs - fromMs) / 1000)),
      workerMiB: significant(median(worker)),
      ingestMiB: significant(median(ingest)),
      workerMiBMax: significant(Math.max(...worker)),
      ingestMiBMax: significant(Math.max(...ingest)),
    };
  });
}

/** When a sequence was reached: between two watermarks as if the way between them had been even. */
function timeOf(reached: readonly Reached[], sequence: number): number {
  const at = reached.findIndex((one) => one.sequence >= sequence);
  const [before, after] = [reached[at - 1], reached[at]];
  if (!after) throw new RangeError(`sequence ${sequence} was never reached`);
  if (!before) return after.atMs;
  const share = (sequence - before.sequence) / (after.sequence - before.sequence);
  return before.atMs + share * (after.atMs - before.atMs);
}

/** Memory as seen within a time, or nearest to it where it was too short. */
function within(memory: Memory, fromMs: number, toMs: number): number[] {
  const seen = memory.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  if (seen.length > 0) return seen.map(({ mib }) => mib);
  const middleMs = (fromMs + toMs) / 2;
  const nearest = memory.toSorted((a, b) => Math.abs(a.atMs - middleMs) - Math.abs(b.atMs - middleMs))[0];
  return nearest ? [nearest.mib] : [];
}

/** The last tenth against the mean of the second and third. */
export function ratiosOf(tenths: readonly Tenth[]): SoakReport['ratios'] {
  const early = (pick: (tenth: Tenth) => number): number => mean(tenths.slice(1, 3).map(pick));
  const ratio = (pick: (tenth: Tenth) => number): number =>
    significant(tenths.slice(-1).map(pick)[0]! / early(pick));
  return {
    lastToEarly: ratio((tenth) => tenth.tradesPerSecond),
    workerGrowth: significant(ratio((tenth) => tenth.workerMiB) - 1, 3),
    ingestGrowth: significant(ratio((tenth) => tenth.ingestMiB) - 1, 3),
  };
}

/** Lines for people. */
export function describeSoak(report: SoakReport): string {
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell) => String(cell).padStart(12)).join('');
  const { ratios, verification } = report;
  return [
    `${report.events} trades in ${report.seconds} s, ${report.tradesPerSecond} trades/s`,
    '',
    row(['tenth', 'trades/s', 'worker MiB', 'ingest MiB']),
    ...report.tenths.map((tenth, index) =>
      row([index + 1, tenth.tradesPerSecond, tenth.workerMiB, tenth.ingestMiB]),
    ),
    '',
    `last tenth to the mean of the second and third: ${ratios.lastToEarly}; memory of worker ${percent(ratios.workerGrowth)}, ingest ${percent(ratios.ingestGrowth)}`,
    `audit: ${verification.ok ? '' : 'NO: '}${verification.detail}`,
  ].join('\n');
}

function percent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`;
}
